"""Every mistake in a pipeline file, with the line that is printed for it."""

from __future__ import annotations

import pytest

HEAD = """\
input: {topic: flights, schema: flight.avsc}
stages:
  - transform: {gained: dep_delay - air_time / 60}
outputs:
  - {topic: results, schema: result.avsc}
"""

TOP_KEYS = "pipeline, input, stages, outputs, failures, batch, transaction, group"
KINDS = "validate, transform, infer, call, http"

# what is added as line 6 to a right file: what is printed
ADDED = {
    "pipelin: x": f"6:1: unknown key 'pipelin'; did you mean 'pipeline'?; known here: {TOP_KEYS}",
    "zzz: x": f"6:1: unknown key 'zzz'; known here: {TOP_KEYS}",
    "<<: {}": f"6:1: unknown key '<<'; known here: {TOP_KEYS}",
    "pipeline: fl ights": "6:11: pipeline: 'fl ights' cannot be a name: letters, digits, '.', '_' and '-' only, at most"
    " 100 characters, starting with a letter or digit",
    "pipeline: 7": "6:11: pipeline must be text, not 7; put it in quotes",
    "pipeline:": "6:1: pipeline must be text, not nothing",
    "pipeline: [a]": "6:11: pipeline must be text, not a list",
    "batch: 5": "6:8: batch must be a mapping of keys to values, not 5",
    "batch: [5]": "6:8: batch must be a mapping of keys to values, not a list",
    "batch: {evnts: 5}": "6:9: unknown key 'evnts' in batch; did you mean 'events'?; known here: events, bytes, wait",
    "batch: {events: 10k}": "6:17: batch.events must be a whole number, not the text '10k'",
    "batch: {events: '10'}": "6:17: batch.events must be a whole number, not the text '10'",
    "batch: {events: 1.5}": "6:17: batch.events must be a whole number, not 1.5",
    "batch: {events: true}": "6:17: batch.events must be a whole number, not true",
    "batch: {events: 0}": "6:17: batch.events must be at least 1, not 0",
    "batch: {events: 1000001}": "6:17: batch.events must be at most 1000000, not 1000001",
    "batch: {bytes: 16}": "6:16: batch.bytes must be a size with its unit, such as 500kB, 1MB or 16MiB, not 16",
    "batch: {bytes: 16mb}": "6:16: batch.bytes must be a size with its unit, such as 500kB, 1MB or 16MiB, not '16mb'",
    "batch: {bytes: 2GiB}": "6:16: batch.bytes must be from 1kB to 1GiB, not 2GiB",
    "batch: {wait: 20}": "6:15: batch.wait must be a duration with its unit, such as 20ms, 10s, 1m or 1h, not 20",
    "batch: {wait: 1:30}": "6:15: batch.wait must be a duration with its unit, such as 20ms, 10s, 1m or 1h, not '1:30'",
    "batch: {wait: 11s}": "6:15: batch.wait must be from 0ms to 10s, not 11s",
    "transaction: {timeout: -1s}": "6:24: transaction.timeout must be a duration with its unit, such as 20ms, 10s, 1m"
    " or 1h, not '-1s'",
    "group: {protocol: on}": "6:19: group.protocol must be classic or consumer, not the text 'on'",
    "group: {protocol: clasic}": "6:19: group.protocol must be classic or consumer, not the text 'clasic'; did you mean"
    " 'classic'?",
    "failures: {order: any}": "6:19: failures.order must be relaxed or strict, not the text 'any'",
    "failures: {dead_letter: {limit: {ratio: 0}}}": "6:41: failures.dead_letter.limit.ratio must be more than 0, not 0",
    "failures: {dead_letter: {limit: {ratio: 2}}}": "6:41: failures.dead_letter.limit.ratio must be at most 1, not 2",
    "failures: {dead_letter: {limit: {ratio: half}}}": "6:41: failures.dead_letter.limit.ratio must be a number, not"
    " the text 'half'",
    "failures: {dead_letter: {topic: ..}}": "6:33: failures.dead_letter.topic: '..' cannot be a topic: letters, digits,"
    " '.', '_' and '-' only, at most 249 characters",
    "failures: {dead_letter: {topic: flights}}": "6:33: the dead letter topic 'flights' is also an input; choose"
    " another topic",
    "failures: {dead_letter: {topic: results}}": "6:33: the dead letter topic 'results' is also an output; choose"
    " another topic",
    "failures: {dead_letter: {topic: flights.retry.1m}, retry: {delays: [1m]}}": "6:68: the retry topic"
    " 'flights.retry.1m' is also used otherwise; rename that one or the pipeline",
    "failures: {retry: {delays: 10s}}": "6:28: failures.retry.delays must be a list, not the text '10s'",
    "failures: {retry: {delays: [10]}}": "6:29: failures.retry.delays[0] must be a duration with its unit, such as"
    " 20ms, 10s, 1m or 1h, not 10",
    "failures: {retry: {delays: [1m, 60s]}}": "6:28: failures.retry.delays must rise, each delay longer than the one"
    " before, such as [10s, 1m, 10m]",
    "batch: {}\nbatch: {}": "7:1: the key 'batch' is given twice, first on line 6; keep one",
    "batch: {wait: 1s, wait: 2s}": "6:19: the key 'wait' is given twice, first on line 6; keep one",
    "pipeline: !!str x\nbatch: !own {}": "7:8: the tag !own is not supported; leave it out",
    "? [a, b]\n: c": "6:3: a key must be a single word, not a list or a mapping",
}

# the whole file: what is printed
WHOLE = {
    "": ["1:1: the file is empty"],
    "# nothing\n": ["1:1: the file is empty"],
    "just text": ["1:1: the file must be a mapping of keys to values, not the text 'just text'"],
    "a: b: c": [
        (
            "1:5: not valid YAML: mapping values are not allowed here; a text that holds ': ' needs quotes, and keys"
            " of one level start in one column"
        )
    ],
    "input:\n\ttopic: x": [
        "2:1: not valid YAML: found character '\\t' that cannot start any token; indent with spaces"
    ],
    "a: [1": ["1:6: not valid YAML: expected ',' or ']', but got '<stream end>'"],
    "a: {when: p[1] < 2}": [
        "1:12: not valid YAML: expected ',' or '}', but got '['; an expression with brackets needs quotes inside of { }"
    ],
    "a: *b": ["1:4: not valid YAML: found undefined alias 'b'"],
    "a: 1\n---\nb: 2": ["2:1: not valid YAML: a second document starts here; a pipeline file holds one"],
    "a: &a [*a]": ["1:4: nested deeper than 50 levels"],
    "batch: {}": [
        "1:1: input is missing: what is read",
        "1:1: stages is missing: what is done with each event, in order; each item is one stage",
        "1:1: outputs is missing: where events go, in order: the first whose `when` holds takes the event",
    ],
    "input: {topic: flights, schema: a}\nstages: []\noutputs: []\n": [
        "2:9: stages must not be empty",
        "3:10: outputs must not be empty",
    ],
}

# instead of line 3, a stage: what is printed
STAGES = {
    "  - validate": f"3:5: stages[0] must be one stage, written as 'kind: settings'; the kinds are {KINDS}",
    "  - {}": f"3:5: stages[0] must be one stage, written as 'kind: settings'; the kinds are {KINDS}",
    "  - transform: {a: b}\n    call: {}": "3:5: stages[0] must be one stage, written as 'kind: settings'; the kinds"
    f" are {KINDS}",
    "  - infre: {}": f"3:5: unknown stage 'infre'; did you mean 'infer'?; the kinds are {KINDS}",
    "  - filter: x": f"3:5: unknown stage 'filter'; the kinds are {KINDS}",
    "  - transform:": "3:5: stages[0].transform must be a mapping of keys to values, not nothing",
    "  - transform: {}": "3:16: stages[0].transform must not be empty",
    "  - transform: {_offset: a}": "3:17: stages[0].transform._offset: '_offset' is a meta column and cannot be"
    " replaced; choose another name",
    "  - transform: {a-b: a}": "3:17: stages[0].transform.a-b: 'a-b' cannot be a column name: letters, digits and _"
    " only, not starting with a digit; inside {...} a comma ends an expression: put it in quotes or on its own line",
    "  - transform: {a: [1]}": "3:20: stages[0].transform.a must be text, not a list",
    "  - transform: {a: ''}": "3:20: stages[0].transform.a must be an SQL expression, not an empty text",
    "  - transform: {a:}": "3:17: stages[0].transform.a must be an SQL expression, not nothing",
    "  - call: {function: a:b, ads: {}, adds: {x: double}}": "3:27: unknown key 'ads' in stages[0].call; did you mean"
    " 'adds'?; known here: function, adds, columns, retry",
}

INPUTS = {
    "input: {schema: a}": "1:1: input.topic is missing: the topic to read, or a list of topics with events of one"
    " schema",
    "input: {topic: [], schema: a}": "1:16: input.topic must not be empty",
    "input: {topic: [a, 1], schema: a}": "1:20: input.topic[1] must be text, not 1; put it in quotes",
    "input: {topic: [a, b, a], schema: a}": "1:16: input.topic names a topic twice; keep one",
    "input: {topic: results, schema: a}": "5:13: outputs[0].topic 'results' is also an input, an endless loop; choose"
    " another topic",
    "input: {topic: a}": "1:1: input.schema is missing: an Avro schema file; it may be left out only with a schema"
    " registry (STREAM_SCHEMA_REGISTRY_URL)",
    "input: {topic: a, schema: a, start: now}": "1:37: input.start must be earliest, latest or a time such as"
    " 2026-01-31T06:00:00Z, not 'now'",
    "input: {topic: a, schema: a, start: 2026-01-31}": "1:37: input.start needs a time zone: 2026-01-31T00:00:00Z for"
    " UTC",
    "input: {topic: a, schema: ''}": "1:27: input.schema must not be empty",
}


@pytest.mark.parametrize("added", ADDED)
def test_a_wrong_key_is_told_with_its_place_and_what_would_be_right(mistakes, added):
    assert mistakes(HEAD + added) == ["flights.yaml:" + ADDED[added]]


@pytest.mark.parametrize("text", WHOLE)
def test_a_file_that_cannot_be_read_is_told_with_its_place(mistakes, text):
    assert mistakes(text) == ["flights.yaml:" + line for line in WHOLE[text]]


@pytest.mark.parametrize("stage", STAGES)
def test_a_wrong_stage_is_told_with_its_place(mistakes, stage):
    lines = HEAD.split("\n")
    assert mistakes("\n".join([*lines[:2], stage, *lines[3:]])) == ["flights.yaml:" + STAGES[stage]]


@pytest.mark.parametrize("text", INPUTS)
def test_a_wrong_input_is_told_with_its_place(mistakes, text):
    assert mistakes("\n".join([text, *HEAD.split("\n")[1:]])) == ["flights.yaml:" + INPUTS[text]]


def test_an_output_after_one_that_takes_everything_is_never_reached(mistakes):
    assert mistakes(HEAD + "  - {topic: late, schema: result.avsc, when: gained > 1}\n") == [
        (
            "flights.yaml:6:5: outputs[1] is never reached: outputs[0] has no `when` and takes every event;"
            " put it last or give it a `when`"
        )
    ]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(mistakes):
    text = """\
pipelne: x
input:
  topik: flights
stages:
  - infre: {model: m}
outputs:
  - {topic: 12, schema: p.avsc}
  - {topic: 12, schema: p.avsc}
batch: {wait: 20, wait: 20ms}
"""
    places = [line.split(": ")[0] for line in mistakes(text, {"STREAM_FOO": "x"})]
    assert places == [
        "flights.yaml:1:1",
        "flights.yaml:2:1",
        "flights.yaml:3:3",
        "flights.yaml:5:5",
        "flights.yaml:7:13",
        "flights.yaml:8:13",
        "flights.yaml:9:15",
        "flights.yaml:9:19",
        "environment",
    ]


def test_mistakes_of_the_environment_are_told_beside_a_file_that_is_no_yaml(mistakes):
    assert [line.split(": ")[0] for line in mistakes("a: [", {"STREAM_FOO": "x"})] == [
        "flights.yaml:1:5",
        "environment",
    ]


def test_a_file_that_is_not_there_is_told(load_text):
    from pathlib import Path

    from stream.config import load
    from stream.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match=r"^nowhere.yaml: cannot be read: No such file or directory$"):
        load(Path("nowhere.yaml"), {}, host_name="host", terminal=False)


def test_a_file_of_other_bytes_is_told(load_text, tmp_path):
    from pathlib import Path

    from stream.config import load
    from stream.errors import ConfigurationError

    (tmp_path / "binary.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ConfigurationError, match=r"^binary.yaml: is not UTF-8 text, at byte 3$"):
        load(Path("binary.yaml"), {}, host_name="host", terminal=False)


def test_control_characters_are_told(mistakes):
    assert mistakes("a: \x01") == [
        "flights.yaml: not readable as YAML: character #x0001 at position 3: special characters are not allowed"
    ]


@pytest.mark.parametrize(
    "bomb",
    [
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "\n".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]" for i in range(6)),
        "[" * 400 + "]" * 400,
        "a: " + "x" * 1_000_001,
    ],
)
def test_a_file_that_expands_without_end_is_refused(mistakes, bomb):
    (line,) = mistakes(bomb)
    assert "more than 20000 values" in line or "deeper than 50" in line or "longer than 1000000" in line
