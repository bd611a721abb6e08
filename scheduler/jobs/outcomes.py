"""What a job's transaction did, read from its logs. Pure."""

from scheduler.jobs.declaration import Job
from scheduler.transactions.intents import Effects, Verdict
from scheduler.transactions.states import OutcomeKind


def judge(job: Job, effects: Effects) -> Verdict:
    """The verdict on a transaction of the job's, mined or simulated.

    A receipt's status proves nothing: functions that find nothing to do return in silence.
    """
    if not effects.ok:
        return Verdict(OutcomeKind.REVERTED, effects.error or "the transaction reverted")
    if effects.unmet is not None:
        return Verdict(OutcomeKind.NO_EFFECT, effects.unmet)
    if effects.foreseen or not job.proofs:
        return Verdict(OutcomeKind.SUCCEEDED, "it is not reverted")
    wanted = {(proof.contract, proof.topic): proof.name for proof in job.proofs}
    for log in effects.logs:
        name = wanted.get((log.address, log.topics[0] if log.topics else ""))
        if name is not None:
            return Verdict(OutcomeKind.SUCCEEDED, name)
    if job.proving_gas is not None and effects.gas_used >= job.proving_gas:
        return Verdict(OutcomeKind.SUCCEEDED, f"a step of {effects.gas_used} gas")
    names = " or ".join(wanted.values())
    return Verdict(OutcomeKind.NO_EFFECT, f"nothing happened: no {names}")
