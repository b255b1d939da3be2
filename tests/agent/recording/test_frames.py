"""What is sent of a run: its place, its text with consent alone, its tokens and its cost."""

import uuid
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import pytest
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.tracers import LangChainTracer
from langsmith import Client

from agent.recording.frames import RunShaper, SentRun, as_batch, as_multipart, feedback_of
from agent.recording.outbox import Opinion
from agent.recording.run_store import Run
from tests.fakes import ScriptedChatModel, reply
from tests.servers.langsmith import LangSmithServer, read_parts, usage_of
from tests.servers.running import running

SECRET = "lsv2_pt_0123456789abcdef"  # noqa: S105 - a key that must not be found anywhere
ROOT, CALL = "01a2054c-407b-7434-bda7-f54ffd2bfab0", "01a2054c-407b-7434-bda7-f54ffd2bfabb"
STARTED, ENDED = "2026-11-22T10:00:00.000000Z", "2026-11-22T10:00:02.500000Z"
ORDER = f"20261122T100000000000Z{ROOT}"
PROMPT = "system: Be zanzibar.\n\nhuman: What is a dict?\n\nhuman: no role"
ROLES = [["system", 12], ["human", 31]]


def row(**changes: Any) -> dict[str, Any]:
    """Make the row of a root that has ended."""
    return {
        **dict.fromkeys(Run.__table__.columns.keys()),
        "run_id": ROOT,
        "root_run_id": ROOT,
        "trace_id": ROOT,
        "dotted_order": ORDER,
        "run_type": "chain",
        "name": "zanzibar run",
        "tags": ["seq:step:1", "zanzibar tag"],
        "attributes": {
            "langgraph_node": "chat",
            "note": "zanzibar note",
            "usage_metadata": {"a": 1},
        },
        "status": "done",
        "started_at": STARTED,
        "ended_at": ENDED,
        "user_id": "u1",
        "thread_id": "t1",
        "course": "cs1",
        "prompt_type": "chat",
        "content": "kept",
        "inputs": '{"messages":[{"type":"human","content":"zanzibar"}]}',
        "outputs": '[{"zanzibar":1}]',
        **changes,
    }


def call(**changes: Any) -> dict[str, Any]:
    """Make the row of a model call below it."""
    return row(
        **{
            "run_id": CALL,
            "parent_run_id": ROOT,
            "dotted_order": f"{ORDER}.20261122T100000000000Z{CALL}",
            "run_type": "llm",
            "name": "ChatOpenAI",
            "prompt_version": "chat/v1",
            "provider": "openai",
            "model_asked": "openai:gpt-4o",
            "model_served": "gpt-4o-2024-08-06",
            "model_version": "fp_1",
            "finish_reason": "stop",
            "parameters": {"temperature": 0.2, "stop": ["zanzibar"]},
            "first_token_ms": 500.0,
            "input_tokens": 1_000,
            "output_tokens": 500,
            "usage_details": {
                "input_tokens": 1_000,
                "input_token_details": {"cache_read": 8, "zanzibar": 1},
                "words": "zanzibar",
            },
            "cost_nano_usd": 7_500_000,
            "price": {"input_nano_usd": 2_500_000, "output_nano_usd": 5_000_000},
            "price_reference": "genai-prices 0.2.3 openai:gpt-4o",
            "prompt": PROMPT,
            "message_roles": ROLES,
            "response": "A zanzibar map.",
            "inputs": None,
            "outputs": None,
            **changes,
        }
    )


def shaped(given: dict[str, Any], *, with_text: bool = True, **options: bool) -> SentRun:
    """Shape a row as the settings of an operator say."""
    shaper = RunShaper(project="assignment-assistant", secrets=[SECRET, "short"])
    return shaper.shape(given, with_text=with_text, **options)


def read(run: SentRun) -> dict[str, Any]:
    """Return what LangSmith would put together of it."""
    return {
        **orjson.loads(run.main),
        **{name: orjson.loads(part) for name, part in run.parts},
    }


def test_place_and_text_are_sent_when_the_owner_consents() -> None:
    """What was stored as JSON goes as it is; what is no object becomes one."""
    run = shaped(row(paused=True))
    sent = read(run)
    assert run.verb == "post"
    assert sent["inputs"] == {"messages": [{"type": "human", "content": "zanzibar"}]}
    assert sent["outputs"] == {"output": [{"zanzibar": 1}]}
    assert {
        "id": ROOT, "trace_id": ROOT, "dotted_order": ORDER, "name": "zanzibar run",
        "run_type": "chain", "start_time": STARTED, "end_time": ENDED,
        "session_name": "assignment-assistant", "tags": ["seq:step:1", "zanzibar tag"],
    }.items() <= sent.items()  # fmt: skip
    assert sent["extra"]["metadata"] == {
        "langgraph_node": "chat", "note": "zanzibar note", "user_id": "u1", "thread_id": "t1",
        "session_id": "t1", "course": "cs1", "prompt_type": "chat", "status": "done",
        "paused": True,
    }  # fmt: skip
    assert not {"error", "parent_run_id"} & sent.keys()


def test_call_opens_in_the_playground_when_its_text_is_sent() -> None:
    """The messages are written as LangChain writes them."""
    sent = read(shaped(call()))
    (messages,) = sent["inputs"]["messages"]
    assert messages == [
        dumpd(SystemMessage("Be zanzibar.")),
        dumpd(HumanMessage("What is a dict?\n\nhuman: no role")),
    ]
    ((generation,),) = sent["outputs"]["generations"]
    assert generation["text"] == "A zanzibar map."
    usage = usage_of(sent)
    told = AIMessage(
        "A zanzibar map.",
        id=f"lc_run--{CALL}",
        usage_metadata=cast("UsageMetadata", usage),
        response_metadata={
            "model_name": "gpt-4o-2024-08-06",
            "finish_reason": "stop",
            "system_fingerprint": "fp_1",
        },
    )
    assert generation["message"] == dumpd(told)
    assert sent["extra"]["invocation_params"] == {
        "_type": "openai-chat", "model": "gpt-4o-2024-08-06", "model_name": "gpt-4o-2024-08-06",
        "temperature": 0.2, "stop": ["zanzibar"],
    }  # fmt: skip
    assert sent["tags"][-1] == "chat/v1"
    assert [event["name"] for event in sent["events"]] == ["start", "new_token", "end"]
    assert sent["events"][1]["time"] == "2026-11-22T10:00:00.500000+00:00"


@pytest.mark.parametrize("with_text", [True, False])
def test_tokens_and_cost_are_sent_when_they_are_known(*, with_text: bool) -> None:
    """In both places where LangSmith reads them; in metadata alone without text."""
    sent = read(shaped(call(), with_text=with_text))
    usage = usage_of(sent)
    assert usage.pop("input_token_details")["cache_read"] == 8
    assert usage == {
        "input_tokens": 1_000, "output_tokens": 500, "total_tokens": 1_500,
        "input_cost": 0.0025, "output_cost": 0.005, "total_cost": 0.0075,
    }  # fmt: skip
    metadata = sent["extra"]["metadata"]
    assert (metadata["ls_provider"], metadata["ls_model_name"]) == ("openai", "gpt-4o-2024-08-06")
    assert (metadata["ls_model_type"], metadata["model_asked"]) == ("chat", "openai:gpt-4o")
    assert metadata["price_reference"] == "genai-prices 0.2.3 openai:gpt-4o"
    if with_text:
        message = sent["outputs"]["generations"][0][0]["message"]
        assert message["kwargs"]["usage_metadata"]["total_cost"] == 0.0075


@pytest.mark.parametrize(
    ("changes", "usage"),
    [
        ({"cost_nano_usd": None, "price": None}, {"total_tokens": 1_500}),
        ({"input_tokens": None, "usage_details": None}, {"output_tokens": 500}),
        ({"cache": "hit", "cost_nano_usd": 0, "input_tokens": 0, "output_tokens": 0},
         {"total_tokens": 0, "total_cost": 0.0}),
    ],
)  # fmt: skip
def test_what_is_unknown_is_left_out_when_usage_is_sent(
    changes: dict[str, Any], usage: dict[str, Any]
) -> None:
    """An unknown cost is no 0; a reply from a cache used nothing."""
    sent = usage_of(read(shaped(call(**changes))))
    assert usage.items() <= sent.items()
    assert ("total_cost" in sent) == (call(**changes)["cost_nano_usd"] is not None)
    assert ("input_cost" in sent) == (not {"cache", "price"} & changes.keys())
    assert ("total_tokens" in sent) == (call(**changes)["input_tokens"] is not None)


@pytest.mark.parametrize("consent", ["withdrawn", "never given"])
@pytest.mark.parametrize("make", [row, call])
def test_no_word_is_sent_when_there_is_no_consent(make: Any, consent: str) -> None:
    """A skeleton: its place, times, and names from a list; text in a row is left there too."""
    given = make(error="zanzibar words", prompt_type="two words", thread_id="my zanzibar")
    if consent == "never given":
        given["content"] = "no consent"
    run = shaped(given, with_text=consent != "withdrawn")
    sent = read(run)
    assert "zanzibar" not in repr(run)
    assert (sent["inputs"], sent["outputs"], sent["error"]) == ({}, {}, "Error")
    assert sent["name"] == ("assistant" if make is row else "ChatOpenAI")
    assert (sent["dotted_order"], sent["end_time"]) == (given["dotted_order"], ENDED)
    metadata = sent["extra"]["metadata"]
    assert (metadata["langgraph_node"], metadata["user_id"]) == ("chat", "u1")
    assert not {"prompt_type", "thread_id", "session_id"} & metadata.keys()
    assert "invocation_params" not in sent["extra"]
    assert [event["name"] for event in sent["events"]][-1] == "error"


def test_keys_stay_here_when_somebody_wrote_them_down() -> None:
    """Those of the settings anywhere; what looks like one, where nobody typed it."""
    given = call(
        prompt=f"human: my key is {SECRET}",
        message_roles=[["human", 10 + len(SECRET)]],
        response=f"{SECRET}!",
        attributes={"header": "Bearer abc", "deep": [{"x": "sk-0123456789abcdef"}]},
        parameters={"seed": 1, "user": "pk-0123456789abcdef"},
        name=SECRET,
        tags=[SECRET],
    )
    run = shaped(given)
    assert not any(word in repr(run) for word in (SECRET, 'abc"', "0123456789abcdef"))
    assert "my key is [key]" in repr(run)


def test_end_is_left_out_when_a_run_is_open() -> None:
    """It is told as it stands; its end comes as a patch."""
    opened = shaped(call(status="started", ended_at=None, response=None))
    sent = read(opened)
    assert not {"end_time", "outputs", "error"} & sent.keys()
    assert [event["name"] for event in sent["events"]] == ["start", "new_token"]
    assert shaped(call(), is_patch=True).verb == "patch"


def test_start_is_left_out_when_a_known_run_is_priced_anew() -> None:
    """LangSmith has it, and is reported to refuse old ones."""
    old = [{"at": ENDED, "nano_usd": 1, "reference": "x"}]
    assert "start_time" not in read(shaped(call(repriced=old), is_patch=True))
    assert read(shaped(call(repriced=old)))["start_time"] == STARTED
    assert read(shaped(call(), is_patch=True))["start_time"] == STARTED


@pytest.mark.parametrize(
    ("changes", "inputs", "outputs"),
    [
        ({"message_roles": None}, {"prompts": [PROMPT]}, "Generation"),
        ({"message_roles": [["system", 1]]}, {"prompts": [PROMPT]}, "ChatGeneration"),
        ({"message_roles": [["human", 1]]}, {"prompts": [PROMPT]}, "ChatGeneration"),
        ({"prompt": None, "response": None}, {}, None),
    ],
)
def test_prompt_is_sent_whole_when_it_cannot_be_taken_apart(
    changes: dict[str, Any], inputs: dict[str, Any], outputs: str | None
) -> None:
    """That of a text model, and one whose lengths do not fit."""
    sent = read(shaped(call(**changes)))
    assert sent["inputs"] == inputs
    assert (sent["outputs"] == {}) == (outputs is None)
    assert outputs is None or sent["outputs"]["generations"][0][0]["type"] == outputs


def test_odd_messages_are_sent_when_they_are_recorded() -> None:
    """Roles of other makers, the calls of tools, and which of them a result answers."""
    roles = [["critic", 2], ["tool", 2], ["tool", 1, "call_1"]]
    outputs = '{"tool_calls":[{"name":"f","args":{"a":1},"id":"1","type":"tool_call"}]}'
    prompt = "critic: no\n\ntool: 42\n\ntool: 7"
    sent = read(shaped(call(prompt=prompt, message_roles=roles, outputs=outputs)))
    (messages,) = sent["inputs"]["messages"]
    tools = [
        dumpd(ToolMessage("42", tool_call_id="")),
        dumpd(ToolMessage("7", tool_call_id="call_1")),
    ]
    for tool in tools:
        del tool["kwargs"]["status"]
    assert messages == [dumpd(ChatMessage(role="critic", content="no")), *tools]
    kwargs = sent["outputs"]["generations"][0][0]["message"]["kwargs"]
    assert kwargs["tool_calls"][0]["args"] == {"a": 1}


def test_embedding_is_sent_when_it_was_recorded() -> None:
    """What was embedded is its input; it has no messages, but a model and a cost."""
    sent = read(shaped(call(run_type="embedding", message_roles=None, outputs=None)))
    assert (sent["inputs"], sent["outputs"]) == ({"input": PROMPT}, {})
    assert sent["extra"]["metadata"]["ls_model_name"] == "gpt-4o-2024-08-06"
    assert "ls_model_type" not in sent["extra"]["metadata"]


def test_run_is_a_trace_of_its_own_when_its_place_is_unknown() -> None:
    """Rows from before places were recorded can still be sent."""
    sent = read(shaped(call(dotted_order=None, project="theirs")))
    assert (sent["trace_id"], sent["session_name"]) == (CALL, "theirs")
    assert sent["dotted_order"] == f"20261122T100000000000Z{CALL}"
    assert "parent_run_id" not in sent


def test_parts_are_those_of_langsmiths_client_when_written() -> None:
    """Multipart and batch hold the same; a part has the length that it says."""
    runs = [shaped(row()), shaped(call(error="RateLimitError"), is_patch=True)]
    body = as_multipart(runs, "b0")
    parts = read_parts(body, "multipart/form-data; boundary=b0")
    assert list(parts)[:5] == [
        f"post.{ROOT}{end}" for end in ("", ".inputs", ".outputs", ".extra", ".events")
    ]
    assert parts[f"patch.{CALL}.error"] == "RateLimitError"
    assert b'name="post.%s"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{' % (
        ROOT.encode(), len(runs[0].main)
    ) in body  # fmt: skip
    assert orjson.loads(as_batch(runs)) == {"post": [read(runs[0])], "patch": [read(runs[1])]}
    assert runs[0].size < len(body)


def test_call_looks_as_from_the_stock_tracer_when_compared() -> None:
    """Field by field, with what LangChain's own tracer sends of the same call."""
    server = LangSmithServer(zstd=False)
    model = ScriptedChatModel(replies=[reply("A zanzibar map.")])
    with running(server.app) as base:
        client = Client(api_url=base, api_key="k", omit_traced_runtime_info=True)
        model.invoke("hi", config={"callbacks": [LangChainTracer(client=client)]})
        client.close(timeout=10)
    (stock,) = server.runs.values()
    ours = read(shaped(call(prompt="human: hi", message_roles=[["human", 2]], first_token_ms=None)))
    assert ours["inputs"] == stock["inputs"]
    generation, theirs = (run["outputs"]["generations"][0][0] for run in (ours, stock))
    assert generation.keys() == theirs.keys()
    assert generation["message"]["kwargs"].keys() == theirs["message"]["kwargs"].keys()
    assert generation["message"]["id"] == theirs["message"]["id"]
    assert [event["name"] for event in ours["events"]] == [e["name"] for e in stock["events"]]
    assert stock.keys() - ours.keys() <= {"session_id", "serialized"}


def test_feedback_has_one_id_when_it_is_given_again() -> None:
    """The person's and the run's; a comment needs consent."""
    now = datetime.now(UTC).isoformat()
    said = Opinion("u1", "positive", 5, "Clear zanzibar.", now, now)
    first, again = (feedback_of(row(), said, with_text=kept) for kept in (True, False))
    other = feedback_of(row(), Opinion("u2", "neutral", None, None, now, now), with_text=True)
    assert first["id"] == again["id"] == str(uuid.uuid5(uuid.UUID(ROOT), "u1"))
    assert first["id"] != other["id"]
    assert (first["key"], first["score"], first["value"]) == ("rating", 5, "positive")
    assert (first["comment"], again["comment"]) == ("Clear zanzibar.", None)
