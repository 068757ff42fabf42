"""Bipartite matching, small."""

from __future__ import annotations


def cover(may: list[list[int]], must: list[int], needed: list[int],
          usable: set[int]) -> dict[int, int]:
    """Match records to observations, one to one: record -> observation.

    `may[record]` lists the observations that can have caused it. Covers all of `must` (records)
    and all of `needed` (observations) if each can be covered for itself, as many as possible
    otherwise. Only `usable` records are used.
    """
    causes: dict[int, list[int]] = {}
    for record in sorted(usable):
        for observation in may[record]:
            causes.setdefault(observation, []).append(record)
    of_record: dict[int, int] = {}
    of_observation: dict[int, int] = {}

    def place(observation: int, seen: set[int]) -> bool:
        for record in causes.get(observation, ()):
            if record in seen:
                continue
            seen.add(record)
            if record not in of_record or place(of_record[record], seen):
                of_record[record], of_observation[observation] = observation, record
                return True
        return False

    def explain(record: int, seen: set[int]) -> bool:
        for observation in may[record]:
            if observation in seen:
                continue
            seen.add(observation)
            if observation not in of_observation or explain(of_observation[observation], seen):
                of_record[record], of_observation[observation] = observation, record
                return True
        return False

    for observation in needed:
        place(observation, set())
    # Augmenting from the records' side keeps every observation that has a record matched.
    for record in must:
        if record not in of_record:
            explain(record, set())
    return {record: observation for record, observation in of_record.items()
            if of_observation.get(observation) == record}
