"""Chat templates as transformers renders them: one JSON line for each template and conversation.

    python templates.py < conversations.json

Reads {"conversations": [[{"role", "content"}, ..], ..], "own": {name: template}}. Beside the own templates, those of
the Llama 3, Qwen2.5 and Qwen3 families are rendered that TRL ships, where it is installed. A line has the template,
the conversation, whether the answer is opened, and the text, or null where the template raises an error.
"""
import json
import os
import pathlib
import sys
from importlib.util import find_spec

os.environ.setdefault("HF_HUB_OFFLINE", "1")
from transformers.utils.chat_template_utils import render_jinja_template

NAMES = ["llama3", "llama3_1", "llama3_2", "llama3_training", "qwen2_5", "qwen2_5_training", "qwen3",
         "qwen3_training", "qwen3_instruct_2507", "qwen3_instruct_2507_training"]


def templates(own):
    yield from own.items()
    trl = find_spec("trl")
    folder = pathlib.Path(trl.origin).parent / "chat_templates" if trl else pathlib.Path("nowhere")
    for name in NAMES:
        path = folder / f"{name}.jinja"
        if path.is_file():
            yield name, path.read_text(encoding="utf-8")


def main():
    given = json.load(sys.stdin)
    # The program has a fixed date.
    names = dict(bos_token="<bos>", eos_token="<eos>", date_string="26 Jul 2024")
    for name, template in templates(given["own"]):
        for messages in given["conversations"]:
            opened = messages[-1]["role"] == "assistant"
            how = dict(continue_final_message=True) if opened else dict(add_generation_prompt=True)
            try:
                text = render_jinja_template([messages], chat_template=template, **how, **names)[0][0]
            except Exception as error:
                print(f"{name}: {error}", file=sys.stderr)
                text = None
            print(json.dumps({"name": name, "template": template, "messages": messages, "opened": opened, "text": text}))


if __name__ == "__main__":
    main()
