"""The calendar against a dictionary that is searched from end to end."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scheduler.alarm.calendar import Calendar

CALLS = st.sampled_from([f"0x{number:040x}" for number in range(12)])
BLOCKS = st.integers(0, 20)


class AgainstADictionary(RuleBasedStateMachine):
    """Insertion order of a dictionary is the order in which calls were added."""

    def __init__(self) -> None:
        super().__init__()
        self.calendar = Calendar()
        self.model: dict[str, tuple[int, int]] = {}

    @rule(call=CALLS, due=BLOCKS, since=BLOCKS)
    def add(self, call: str, due: int, since: int) -> None:
        self.calendar.add(call, due, since)
        self.model.pop(call, None)
        self.model[call] = (due, since)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(sorted(self.model)))
        self.calendar.remove(call)
        del self.model[call]

    @rule(block=st.integers(-1, 21))
    def read(self, block: int) -> None:
        by_target = sorted(self.model, key=lambda call: self.model[call][0])
        reached = [call for call in by_target if self.model[call][0] <= block]
        assert list(self.calendar.through(block)) == reached
        late = {call for call, (_, since) in self.model.items() if since >= block}
        assert set(self.calendar.since(block)) == late

    @rule(call=CALLS)
    def look_up(self, call: str) -> None:
        assert (call in self.calendar) == (call in self.model)

    @invariant()
    def as_many(self) -> None:
        assert len(self.calendar) == len(self.model)


AgainstADictionary.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
test_it_answers_as_a_dictionary_would = AgainstADictionary.TestCase
