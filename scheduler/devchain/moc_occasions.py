"""Money on Chain on a running development chain, and an occasion for each of its seven jobs."""

import time
from collections.abc import Callable

from scheduler.chain.model import Address
from scheduler.devchain.endpoint import Endpoint
from scheduler.devchain.moc import ETHER, PRICE, Spans, deploy_moc
from scheduler.devchain.moc_contracts import call_data
from scheduler.devchain.moc_evidence import TRACES, JobEvidence, JobWitness
from scheduler.devchain.moc_market import BUCKET_LIQUIDATION_PRICE, LIQUIDATION_PRICE, Market

# Each long enough that a program has begun before it is over, and has none to wait for long.
SPANS = Spans(day=14, holders=18, average=24, settlement=30)

# Blocks after which a job that is due is not waited for any more.
_PATIENCE = 40

# A price of so many seconds is over with one of the next blocks.
_SHORT = 2


class Occasions:
    """A deployment of the generation moc_base whose periodic jobs fall due in SPANS."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Deploys it and seeds its market: takes some ten blocks."""
        self._endpoint = endpoint
        at = deploy_moc(endpoint, "moc_base", spans=SPANS)
        self.contract: Address = at["MoC"]
        self._market = Market(endpoint, at)
        self._market.seed()
        self._market.request_redemption()
        # What a new deployment has to pay is paid: the jobs begin with what falls due.
        for function in ("dailyInratePayment()", "payBitProHoldersInterestPayment()"):
            self._market.wallet.transact(self.contract, call_data(function))
        account = str(endpoint.request("eth_accounts")[0]).lower()
        self._witness = JobWitness(endpoint.url, at, account, self._head)

    def close(self) -> None:
        """Closes the connection to the node."""
        self._endpoint.close()

    @property
    def _head(self) -> int:
        return self._endpoint.number("eth_blockNumber")

    def play(self) -> list[JobEvidence]:
        """Makes each job due, and answers what became of it. One that is not done ends it."""
        market = self._market
        steps: list[tuple[Callable[[], object] | None, str]] = [
            (lambda: market.set_price(PRICE, seconds=_SHORT), "oracle_poke"),
            (lambda: market.set_price(PRICE), "daily_inrate_payment"),
            (None, "pay_bitpro_holders"),
            (None, "calculate_bma"),
            (None, "run_settlement"),
            (self._crash, "bucket_liquidation"),
            (lambda: market.set_price(LIQUIDATION_PRICE), "liquidation"),
        ]
        for make_due, job in steps:
            if make_due is not None:
                make_due()
            if not self._done(job):
                break
        return [self._witness.testify(job) for job in TRACES]

    def _crash(self) -> None:
        # The settlement has closed all leveraged positions: without one there is nothing to lose.
        self._market.trade(stable=ETHER, leveraged=ETHER)
        self._market.set_price(BUCKET_LIQUIDATION_PRICE)

    def _done(self, job: str) -> bool:
        """Whether it is done within _PATIENCE blocks."""
        last = self._head + _PATIENCE
        while self._witness.testify(job).mined_in is None:
            if self._head > last:
                return False
            time.sleep(0.2)
        return True
