"""What a probe's answer must be: the recorded one, or the architecture's where they are known to
differ (documented oddities, counted by name)."""

from __future__ import annotations

from dataclasses import dataclass, field

from pymodel.transaction import Ending
from sim.replay.capture import Capture, Probe
from spec.events import (
    EVENTS,
    F_ADDR_SIZE,
    F_PERMISSION,
    F_TRANSLATION,
    EventType,
    FaultClass,
)
from spec.stream_table import STE, SteConfig


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device under test did with one access.

    `event` is the one record it wrote, None if none. `memory` holds the doublewords that the
    probe asked to look at afterwards.
    """

    ending: Ending
    pa: int | None = None
    event: bytes | None = None
    memory: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expected:
    """The answer that a probe must get, how to drive it, and which oddities were applied."""

    answer: Answer
    pnu: bool
    oddities: tuple[str, ...] = ()

    def differences(self, got: Answer) -> list[str]:
        """In words, every way in which `got` is not the expected answer."""
        want = self.answer
        out = []
        if got.ending is not want.ending:
            out.append(f"ended as {got.ending.value}, expected {want.ending.value}")
        elif got.pa != want.pa:
            out.append(f"address {_hex(got.pa)}, expected {_hex(want.pa)}")
        if got.event != want.event:
            out.append(f"event {decode(got.event)}, expected {decode(want.event)}")
        out += [f"doubleword at {a:#x} is {_hex(got.memory.get(a))}, expected {v:#x}"
                for a, v in want.memory.items() if got.memory.get(a) != v]
        return out


def expected(capture: Capture, probe: Probe) -> Expected:
    """The expected answer of `probe`, by its own labels and, for captures without labels, by the
    oddities that the format's description documents."""
    want = _labelled(probe) if probe.labelled else _unlabelled(capture, probe)
    return _ttrnw(want) if capture.qemu else want


def _labelled(probe: Probe) -> Expected:
    answer = _recorded(probe)
    if probe.oddities and probe.model is not None:
        answer = _from_model(probe)
    elif probe.oddities == ("privilege",):
        return _privileged(probe, answer)
    elif probe.field_oddities and probe.model is not None:
        answer = Answer(answer.ending, answer.pa, probe.model[3], answer.memory)
    return Expected(answer, probe.pnu, probe.oddities + probe.field_oddities)


def _ttrnw(want: Expected) -> Expected:
    """QEMU leaves TTRnW 0. It updates no descriptor, so what faulted was a read: 1 (reference
    5.1)."""
    answer, event = want.answer, want.answer.event
    if event is None or event[0] != EventType.F_PERMISSION:
        return want
    record = F_PERMISSION.from_bytes(event)
    if record.CLASS != FaultClass.TT or record.TTRnW:
        return want
    event = record.replace(TTRnW=1).to_bytes()
    return Expected(Answer(answer.ending, answer.pa, event, answer.memory), want.pnu,
                    (*want.oddities, "ttrnw_zero"))


def decode(record: bytes | None) -> str:
    """An event record in words."""
    if record is None:
        return "none"
    layout = EVENTS.get(record[0])
    return f"{record.hex()} " + (repr(layout.from_bytes(record)) if layout else "(unknown type)")


def _hex(value: int | None) -> str:
    return "none" if value is None else hex(value)


def _recorded(probe: Probe) -> Answer:
    event = probe.events[0] if probe.events else None
    if probe.trace is None:
        ending = Ending.RAZWI if probe.resp == "razwi" else Ending.ABORT
        return Answer(ending, None, event, probe.pte_after)
    kind = probe.trace[0]
    if kind == "abort":
        return Answer(Ending.ABORT, None, event, probe.pte_after)
    if kind == "bypass":
        return Answer(Ending.BYPASS, probe.iova, event, probe.pte_after)
    return Answer(Ending.TRANSLATED, probe.trace[1], event, probe.pte_after)


def _from_model(probe: Probe) -> Answer:
    assert probe.model is not None
    outcome, _, pa, record = probe.model
    ending = {"success": Ending.TRANSLATED, "bypass": Ending.BYPASS}.get(outcome, Ending.ABORT)
    return Answer(ending, probe.iova if outcome == "bypass" else pa, record, probe.pte_after)


def _privileged(probe: Probe, answer: Answer) -> Expected:
    """The recorder treats every access as privileged: drive it so, and its answer holds."""
    event = answer.event
    if event is not None and (layout := EVENTS.get(event[0])) and "PnU" in layout.FIELDS:
        event = layout.from_bytes(event).replace(PnU=1).to_bytes()
    return Expected(Answer(answer.ending, answer.pa, event), True, probe.oddities)


def _unlabelled(capture: Capture, probe: Probe) -> Expected:
    """Linux captures carry no labels; three of the recorder's oddities apply to them."""
    answer = _recorded(probe)
    if answer.ending is Ending.BYPASS and probe.iova >> capture.impl.oas_bits:
        event = F_ADDR_SIZE.make(**_access(probe)).to_bytes()  # reference 4.2 step 5
        return Expected(Answer(Ending.ABORT, None, event), probe.pnu, ("bypass_above_oas",))
    if probe.trace is None and answer.event is None:
        due = _stage2_input_range(capture, probe)
        if due is not None:
            return Expected(Answer(answer.ending, None, due), probe.pnu,
                            ("s2_input_above_range",))
    record = answer.event
    if record is not None and (layout := EVENTS.get(record[0])) and "IPA" in layout.FIELDS:
        ipa = layout.FIELDS["IPA"]
        low = ((1 << ipa.lo) - 1) << (64 * ipa.dw)
        value = int.from_bytes(record, "little")
        if getattr(layout(value), "S2", 0) and value & low:
            record = layout(value & ~low).to_bytes()
            return Expected(Answer(answer.ending, None, record), probe.pnu, ("ipa_low12",))
    return Expected(answer, probe.pnu)


def _stage2_input_range(capture: Capture, probe: Probe) -> bytes | None:
    """The record that is due when a stage-2-only input lies beyond the IPA size (reference 4.2
    step 7 and 4.7), or None where that does not apply."""
    struct = capture.structs.get(probe.sid)
    if struct is None or probe.ssid is not None:
        return None
    ste = STE.from_words([int(word, 0) for word in struct["ste"]])
    if ste.Config != SteConfig.S2 or probe.iova < 1 << (64 - ste.S2T0SZ):
        return None
    if probe.iova >> capture.impl.ias_bits:
        return F_ADDR_SIZE.make(**_access(probe)).to_bytes()
    if not ste.S2R:
        return None
    page = probe.iova & ~((1 << F_TRANSLATION.IPA.lo) - 1)
    return F_TRANSLATION.make(**_access(probe), S2=1, IPA=page).to_bytes()


def _access(probe: Probe) -> dict[str, int]:
    """The fields of a record that a fault on the input of an unlabelled probe has."""
    return {"StreamID": probe.sid, "RnW": not probe.write, "CLASS": FaultClass.IN,
            "InputAddr": probe.iova}
