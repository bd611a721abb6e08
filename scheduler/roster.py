"""The jobs of a plan as the chain has them: which there are, and whether each can be done."""

from collections.abc import Sequence
from dataclasses import dataclass

from scheduler.chain.model import Head
from scheduler.chain.protocol import Chain
from scheduler.jobs import loading
from scheduler.jobs.contracts import Finding, functions_found
from scheduler.jobs.declaration import Job
from scheduler.moc.discovery import deployment_at
from scheduler.moc.jobs import Task
from scheduler.plan import Plan

LOOK_AGAIN_BLOCKS = 20
"""How often it is looked whether contracts have another code by now, in blocks."""


@dataclass(frozen=True, slots=True)
class Roster:
    """What is declared, first by the operator, then by Money on Chain's contracts, whose
    `generation` is named, None where there are none; and for each job what was found of its
    function."""

    generation: str | None
    jobs: Sequence[Job]
    findings: Sequence[Finding]

    def on(self) -> list[Job]:
        """Those whose contracts do not lack their function, as far as anybody can tell."""
        pairs = zip(self.jobs, self.findings, strict=True)
        return [job for job, finding in pairs if finding.there is not False]

    def off(self) -> list[tuple[Job, str]]:
        """The others, each with the reason."""
        pairs = zip(self.jobs, self.findings, strict=True)
        return [(job, finding.says) for job, finding in pairs if finding.there is False]

    def why_none(self) -> str:
        """Why no job can be done, where all are off."""
        reasons = "; ".join(f"{job.name} is off: {why}" for job, why in self.off())
        return f"{reasons}; correct the contracts in the configuration, or the node's network"

    async def change(self, chain: Chain, head: Head) -> str | None:
        """What is lastingly otherwise at `head` than it was found; None where nothing is.

        Raises NodeUnavailable, RpcError.
        """
        now = await functions_found(chain, [job.action for job in self.jobs], at=head.hash)
        for job, before, after in zip(self.jobs, self.findings, now, strict=True):
            differs = (before.there, before.where) != (after.there, after.where)
            if differs and (before.is_lasting or after.is_lasting):
                return f"{job.name} has another contract: {after.says}"
        return None


async def roster_of(plan: Plan, chain: Chain, head: Head) -> Roster:
    """The jobs of the plan at `head`. Raises NotYet where the MoC contract is not there,
    NodeUnavailable, RpcError."""
    jobs, generation = [loading.job(data) for data in plan.jobs], None
    if plan.moc is not None:
        tasks = {name: Task(**task) for name, task in plan.moc_tasks.items()}
        deployment = await deployment_at(chain, plan.moc, tasks, head)
        jobs, generation = [*jobs, *deployment.jobs()], deployment.generation
    found = await functions_found(chain, [job.action for job in jobs], at=head.hash)
    return Roster(generation, jobs, found)
