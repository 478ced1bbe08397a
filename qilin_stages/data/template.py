"""Tokenizer and chat template without torch: the fast tokenizer's file and the template, rendered piece by piece.

The template is rendered once per shape of a conversation with place-holders for the contents; the text between them is
tokenised with its special tokens, the contents without. So a content can never forge a turn, no token is merged across
the border of prompt and answer, and a cut never touches the template. `{% generation %}` marks what is learnt.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from chimed.errors import DataError, UsageError

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_OPEN, _CLOSE, _START, _END = "\ue000", "\ue001", "\ue002", "\ue003"


def _environment() -> Any:
    """The sandbox in which transformers renders templates, with generation blocks marked by private characters."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.CallBlock(self.call_method("_mark"), [], [], body).set_lineno(line)

        def _mark(self, caller: Any) -> str:
            return _START + caller() + _END

    def refuse(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = refuse
    return env


@dataclass(frozen=True)
class Piece:
    """A part of a rendered conversation: tokens of the template, or the place of a message's content."""

    ids: tuple[int, ...] = ()
    message: int | None = None
    learnt: bool = False


@dataclass
class Tokenizer:
    """A fast tokenizer read from a model folder: its tokens, special tokens and chat template."""

    folder: Path
    raw: Any
    config: dict[str, Any]
    template: str | None
    template_name: str = "the model's own"
    _pieces: dict[Any, list[Piece]] = field(default_factory=dict)

    def token(self, name: str) -> str | None:
        """The text of a special token such as `eos_token`."""
        value = self.config.get(name)
        return value.get("content") if isinstance(value, dict) else value

    def id(self, name: str) -> int | None:
        """The id of a special token such as `eos_token`."""
        text = self.token(name)
        return None if text is None else self.raw.token_to_id(text)

    @cached_property
    def sha256(self) -> str:
        """Hash of the tokenizer's own file."""
        return hashlib.sha256((self.folder / "tokenizer.json").read_bytes()).hexdigest()

    @property
    def template_sha256(self) -> str | None:
        """Hash of the chat template."""
        return None if self.template is None else hashlib.sha256(self.template.encode()).hexdigest()

    @property
    def eos(self) -> int:
        """The end token's id; `check` made sure that there is one."""
        eos = self.id("eos_token")
        if eos is None:
            raise DataError(f"{self.folder}: the tokenizer has no end token (eos_token). Set one in tokenizer_config.")
        return eos

    def encode(self, texts: list[str]) -> list[list[int]]:
        """Ids of plain texts; a special token written in a text stays plain characters."""
        self.raw.encode_special_tokens = True
        return [e.ids for e in self.raw.encode_batch_fast(texts, add_special_tokens=False)]

    def encode_template(self, text: str) -> tuple[int, ...]:
        """Ids of template text, its special tokens as such."""
        self.raw.encode_special_tokens = False
        return tuple(self.raw.encode(text, add_special_tokens=False).ids)

    def pieces(self, roles: tuple[str, ...], *, reply: bool = False) -> list[Piece]:
        """Template pieces of a conversation with these roles; `reply` opens an assistant's turn at the end."""
        key = (roles, reply)
        if key not in self._pieces:
            self._pieces[key] = self._split(self._render(roles, reply), roles)
        return self._pieces[key]

    @cached_property
    def _compiled(self) -> Any:
        if self.template is None:
            raise DataError(f"{self.folder}: the tokenizer has no chat template. Name one: template=FILE.jinja.")
        from jinja2 import TemplateError

        try:
            return _environment().from_string(self.template)
        except TemplateError as error:
            raise DataError(f"{self.folder}: the chat template does not parse: {error}.") from None

    def _render(self, roles: tuple[str, ...], reply: bool) -> str:
        from jinja2 import TemplateError

        messages = [{"role": role, "content": f"{_OPEN}{i}{_CLOSE}"} for i, role in enumerate(roles)]
        special = {name: self.token(name) or "" for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
        try:
            text: str = self._compiled.render(messages=messages, add_generation_prompt=reply, **special)
        except TemplateError as error:
            raise DataError(f"{self.folder}: the chat template cannot render the roles {', '.join(roles)}: {error}."
                            ) from None  # fmt: skip
        missing = [role for i, role in enumerate(roles) if f"{_OPEN}{i}{_CLOSE}" not in text]
        if missing:
            raise DataError(f"{self.folder}: the chat template leaves out the content of the role '{missing[0]}'. "
                            "Name another: template=FILE.jinja.")  # fmt: skip
        return text

    def _split(self, text: str, roles: tuple[str, ...]) -> list[Piece]:
        pieces, learnt, marked = [], False, _START in text
        for part in _parts(text):
            if part in (_START, _END):
                learnt = part == _START
            elif part.startswith(_OPEN):
                message = int(part[1:-1])
                pieces.append(Piece(message=message, learnt=learnt or (not marked and roles[message] == "assistant")))
            else:
                pieces.append(Piece(ids=self.encode_template(part), learnt=learnt))
        if not marked:
            return self._with_ends(pieces, roles)
        self._check_ends(pieces)
        return pieces

    def _check_ends(self, pieces: list[Piece]) -> None:
        """With generation marks: the block holds the special token that ends an answer."""
        for i, piece in enumerate(pieces):
            if piece.message is None or not piece.learnt:
                continue
            after = [p for p in pieces[i + 1 : i + 2] if p.learnt and p.message is None]
            if not after or not any(self._special((token,)) for token in after[0].ids):
                raise DataError(f"{self.folder}: in the chat template no special token of this tokenizer ends an answer "
                                "inside its generation block, so the model would never learn to stop. Name another: "
                                "template=FILE.jinja.")  # fmt: skip

    @cached_property
    def ends(self) -> list[int]:
        """The tokens that end an answer: the end token, and the special tokens of the template that are learnt."""
        learnt = [token for piece in self.pieces(("user", "assistant")) if piece.learnt for token in piece.ids]
        return sorted({self.eos, *(token for token in learnt if self._special((token,)))})

    def _with_ends(self, pieces: list[Piece], roles: tuple[str, ...]) -> list[Piece]:
        """Without generation marks: an answer and the one special token that ends it are learnt."""
        done: list[Piece] = []
        for i, piece in enumerate(pieces):
            before = pieces[i - 1] if i else None
            if piece.message is None and before is not None and before.message is not None and before.learnt:
                if not self._special(piece.ids[:1]):
                    raise DataError(f"{self.folder}: the chat template ends an answer with no special token, so the "
                                    "model would never learn to stop. Name another: template=FILE.jinja.")  # fmt: skip
                done.append(Piece(ids=piece.ids[:1], learnt=True))
                piece = Piece(ids=piece.ids[1:])
            done.append(piece)
        if done and done[-1].message is not None and done[-1].learnt:
            done.append(Piece(ids=(self.eos,), learnt=True))
        return done

    def _special(self, ids: tuple[int, ...]) -> bool:
        known = self.raw.get_added_tokens_decoder()
        return bool(ids) and ids[0] in known and known[ids[0]].special

    def decode(self, ids: list[int]) -> str:
        """Text of ids, special tokens shown."""
        return str(self.raw.decode(ids, skip_special_tokens=False))


def _parts(text: str) -> list[str]:
    """The rendering cut at place-holders and generation marks."""
    import re

    return [part for part in re.split(f"({_OPEN}\\d+{_CLOSE}|{_START}|{_END})", text) if part]


def read_tokenizer(folder: Path, template: str | None = None) -> Tokenizer:
    """The tokenizer of a model folder, optionally with another chat template (a file).

    Raises DataError where there is no fast tokenizer; `tokenizer.json` is the only form read, no code is run.
    """
    from tokenizers import Tokenizer as Fast

    if not (folder / "tokenizer.json").is_file():
        raise DataError(f"{folder}: no tokenizer.json. Only fast tokenizers are read, no remote code is run; convert "
                        "an old one (for Baichuan: qilin-stage convert-baichuan).")  # fmt: skip
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    own = folder / "chat_template.jinja"
    text = own.read_text(encoding="utf-8") if own.is_file() else config.get("chat_template")
    if isinstance(text, list):
        text = next((entry["template"] for entry in text if entry.get("name") == "default"), None)
    name = "the model's own"
    if template is not None:
        path = TEMPLATES / f"{template}.jinja" if "/" not in template and "." not in template else Path(template)
        if not path.is_file():
            packaged = ", ".join(sorted(file.stem for file in TEMPLATES.glob("*.jinja")))
            raise UsageError(f"template={template}: no such file. Packaged ones: {packaged}.")
        text, name = path.read_text(encoding="utf-8"), template
    return Tokenizer(folder, Fast.from_file(str(folder / "tokenizer.json")), config, text, name)


def check(tok: Tokenizer) -> None:
    """Refuse a tokenizer that would train wrong: no end token, no pad token, or one token for both."""
    eos, pad = tok.eos, tok.id("pad_token")
    if pad is None:
        raise DataError(f"{tok.folder}: the tokenizer has no pad token. Add a pad_token that is no word of the text.")
    if pad == eos:
        raise DataError(f"{tok.folder}: pad_token and eos_token are the same ({tok.token('eos_token')}); where padding "
                        "is masked, the end would never be learnt. Use another pad_token.")  # fmt: skip
