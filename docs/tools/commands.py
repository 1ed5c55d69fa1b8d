"""The page of every command and option, from the command line itself."""

from __future__ import annotations

import inspect
from typing import Any

import typer
from docs.tools.text import cell, plain, table

from restill.cli import app
from restill.cli.help import EXITS


def page() -> str:
    """The page, as Markdown."""
    root = typer.main.get_command(app)
    lines = ["# Commands", "", f"`restill COMMAND --help` shows the same in a terminal. {EXITS}", ""]
    for name, command in _commands(root):
        lines += [f"## `restill {name}`", "", *_paragraphs(command), *_parameters(name, command), *_examples(command)]
    return "\n".join(lines)


def _commands(group: Any, before: str = "") -> list[tuple[str, Any]]:
    """All commands by their whole names, in the order of ``--help``."""
    found = []
    for name, command in group.commands.items():
        inner = hasattr(command, "commands")
        found += _commands(command, f"{before}{name} ") if inner else [(before + name, command)]
    return found


def _paragraphs(command: Any) -> list[str]:
    said = inspect.cleandoc(command.help or "").split("\n\n")
    return [line for paragraph in said for line in (plain(paragraph), "")]


def _parameters(name: str, command: Any) -> list[str]:
    """The usage, and a table for the arguments and for each panel of options."""
    parameters = [p for p in command.get_params(command.context_class(command)) if not p.hidden and p.name != "help"]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    usage = " ".join([f"restill {name}", *(_argument(p) for p in arguments), *(["[OPTIONS]"] if options else [])])
    lines = ["```bash", usage, "```", ""]
    lines += table(["argument", "what it is"], [(f"`{_argument(p)}`", cell(p.help or "")) for p in arguments])
    panels = list(dict.fromkeys(getattr(p, "rich_help_panel", None) for p in options))
    for panel in panels:
        rows = [_row(p) for p in options if getattr(p, "rich_help_panel", None) == panel]
        lines += table([panel or "option", "what it does", "default"], rows)
    return lines


def _argument(parameter: Any) -> str:
    text = (parameter.metavar or parameter.name.upper()).strip("[].")
    text += "..." if parameter.nargs == -1 else ""
    return text if parameter.required else f"[{text}]"


def _row(parameter: Any) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    value = f" `{parameter.metavar}`" if parameter.metavar else ""
    default = parameter.default
    shown = default not in (None, (), [], "") and default is not False and not callable(default)
    return names + value, cell(parameter.help or ""), f"`{'on' if default is True else default}`" if shown else ""


def _examples(command: Any) -> list[str]:
    """The examples of ``--help``, as a block."""
    said = (command.epilog or "").removesuffix(EXITS)
    lines = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    lines = [text.replace("   (", "   # (", 1) if "   (" in text else text for text in lines]
    return ["```bash", *lines, "```", ""] if lines else []
