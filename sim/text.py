"""Translation steps as text for people."""

from __future__ import annotations

from rich.text import Text

from pymodel.transaction import Step


def steps_text(steps: list[Step]) -> Text:
    """One line per step: what, where, the words read, what they mean, the deciding section."""
    out = Text()
    for step in steps:
        out.append(f"  {step.step:<18}", style="bold cyan")
        if step.address is not None:
            out.append(f" @{step.address:#x}", style="yellow")
        if step.words:
            out.append(" [" + " ".join(f"{word:016x}" for word in step.words) + "]")
        for name, value in step.fields.items():
            if step.words and not value and name != "level":  # most fields of a structure are 0
                continue
            shown = hex(value) if isinstance(value, int) and not isinstance(value, bool) \
                and value > 9 else value
            out.append(f" {name}=", style="dim")
            out.append(str(shown))
        if step.section:
            out.append(f"  ({step.section})", style="green")
        out.append("\n")
    return out
