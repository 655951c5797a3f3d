"""YAML as a recipe may use it: a number is a number, all else is text, and nothing stands there twice.

Mappings, lists and scalars of YAML 1.2, as JSON has them: no tags, no anchors, one document. What YAML 1.1 would read
into plain words (`1:30` is 90 there, `012` is 10, `yes` is true) stays text, which no number takes.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from records.errors import UserError
from records.settings import scalar

__all__ = ["read_yaml"]

DEEPEST = 16  # groups in groups
LONGEST = 2**18  # characters


def read_yaml(text: str, name: str) -> Any:
    """What the text of a file says, or of a `key=value` word; UserError with every line that can't be used.

    >>> read_yaml("lr: 1e-5\\nwhen: 1:30", "it")
    {'lr': 1e-05, 'when': '1:30'}
    """
    if len(text) > LONGEST:
        raise UserError(f"{name} has {len(text):,} characters, more than any recipe: is it another file?")
    try:
        wrong = list(_of_events(text))
        if not wrong:
            node = yaml.compose(text, Loader=yaml.BaseLoader)
            wrong = [] if node is None else list(_of_keys(node))
    except yaml.YAMLError as error:
        wrong = [_said(error)]
    if wrong:
        raise UserError(f"{name} can't be read:\n" + "\n".join(f"  {line}" for line in dict.fromkeys(wrong)))
    return None if node is None else _value(node)


def _of_events(text: str) -> Iterator[str]:
    """What a recipe does not have, found before anything is built, so that nothing deep or endless is."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        line = f"line {event.start_mark.line + 1}" if event.start_mark else "somewhere"
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents == 2:
                yield f"{line}: a second document begins; a recipe is one."
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            yield f"{line}: groups are nested more than {DEEPEST} deep."
            return
        if anchor:
            yield f"{line}: &{anchor} and *{anchor} can't be used; write it out."
        elif tag := getattr(event, "tag", None):
            yield f"{line}: the tag {tag} can't be used; take it away, and write text in quotes."


def _of_keys(node: yaml.Node) -> Iterator[str]:
    """Keys that are no words, and keys that are there twice."""
    if isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _of_keys(inner)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1 if key.start_mark else 0
            if not isinstance(key, yaml.ScalarNode):
                yield f"line {line}: a key must be a word."
            elif key.value in lines:
                yield f"line {line}: {key.value} is there already, in line {lines[key.value]}; take one out."
            else:
                lines[key.value] = line
            yield from _of_keys(value)


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {key.value: _value(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_value(inner) for inner in node.value]
    return scalar(node.value) if getattr(node, "style", None) is None else node.value


def _said(error: yaml.YAMLError) -> str:
    """What the parser says, in a line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}."
    return " ".join(str(error).split())
