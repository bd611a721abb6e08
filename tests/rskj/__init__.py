"""A stand-in for an rskj node: anvil in Istanbul rules behind a proxy that answers as rskj does.

rskj comes from no package registry that set-up uses. What is imitated was seen on rskj in regtest
(the project's notes on nodes), or read in its source (RSKSMART/rskj, rskj-core, at the commit of
pull request 3571); each rule names the class. What only that source says:

- State by `{"blockHash": …}` is that of the canonical block with the same number, unless
  `"requireCanonical": "true"`, a string, is given (Web3Impl.invokeByBlockRef, BlockRefParam).
- An `eth_call` that fails without REVERT answers `0x` as if it had worked (EthModule.call).
- A transaction is dropped from the pool 10 blocks after it came (reference.conf,
  transaction.outdated.threshold).
- Every block ends with a transaction of the node's own, which nobody signed (RemascTransaction).
- newHeads carries neither minimumGasPrice nor a base fee (BlockHeaderNotification).

Not imitated: the virtual gas quota ("account exceeds quota", TxQuotaChecker), which takes minutes
of very dear transactions to reach; uncles, merged mining, and state overrides.
"""
