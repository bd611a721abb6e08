// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BlockIndex} from "./BlockIndex.sol";
import {pay} from "./Payments.sol";

/// What the alarm clock's Schedulers of v0.6 and v0.7 have in common: they create the real
/// FutureBlockCall contracts and keep them in order of their target blocks.
abstract contract FutureCalls {
    using BlockIndex for BlockIndex.Index;

    event CallScheduled(address call_address);
    event CallRejected(address indexed schedulerAddress, bytes32 reason);

    uint256 public constant getCallWindowSize = 16;

    BlockIndex.Index internal calls;

    /// A contract whose code is a zero byte, then FutureBlockCall's linked creation code.
    address private immutable blueprint;

    constructor(address blueprint_) {
        blueprint = blueprint_;
    }

    /// The first call whose target is `blockNumber` or later; zero if there is none.
    function getNextCall(uint256 blockNumber) external view returns (address) {
        return calls.firstFrom(blockNumber);
    }

    /// The call after `callAddress` in order of target blocks; zero if there is none.
    function getNextCallSibling(address callAddress) external view returns (address) {
        return calls.after_(callAddress);
    }

    /// Whether this contract created `callAddress`.
    function isKnownCall(address callAddress) public view returns (bool) {
        return calls.contains(callAddress);
    }

    /// Logs why a call is not scheduled, and returns the money.
    function refuse(bytes32 reason) internal {
        emit CallRejected(msg.sender, reason);
        pay(payable(msg.sender), msg.value);
    }

    /// Creates a FutureBlockCall that holds the transaction's value, with these constructor
    /// arguments, and puts it into the index.
    function enter(bytes memory arguments, uint256 targetBlock) internal returns (address created) {
        address source = blueprint;
        uint256 length = source.code.length - 1;
        bytes memory code = new bytes(length);
        assembly ("memory-safe") {
            extcodecopy(source, add(code, 32), 1, length)
        }
        code = bytes.concat(code, arguments);
        assembly ("memory-safe") {
            created := create(callvalue(), add(code, 32), mload(code))
        }
        require(created != address(0), "creating the call failed");
        calls.insert(created, uint32(targetBlock));
        emit CallScheduled(created);
    }
}
