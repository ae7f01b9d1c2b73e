"""The command line: arguments and printing only; each verb is a module read when it is used."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click

VERBS = {
    "run": "Measure every combination of corpus, embedder, defense and attack.",
    "train": "Train an attack on texts of your own.",
    "invert": "Read text back out of a text's vector, or out of vectors of your own.",
    "overlap": "Tell whether texts of yours were in the training text of an attack.",
    "list": "List attacks, defenses, embedders, datasets and plugins.",
    "info": "Tell everything about one component.",
    "data": "List, fetch, rebuild and verify collections.",
    "score": "Compute every score of stored results anew, without a model.",
    "leaderboard": "Make boards of stored results; merge, check and show them.",
    "doctor": "Check this installation and say what is wrong.",
}

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def named_after_options(command: click.Command, verb: str) -> click.Command:
    """Return the command, each option of which can be given as V2T_BENCH_<VERB>_<OPTION>."""
    # Named after the option a user writes, not after our parameter.
    for option in command.params:
        long = [spelled for spelled in option.opts if spelled.startswith("--")]
        if long:
            name = long[0].removeprefix("--").replace("-", "_").upper()
            option.envvar = f"V2T_BENCH_{verb.upper()}_{name}"
    return command


class Verbs(click.Group):
    """A group whose commands are imported one at a time.

    Args:
        verbs: What each does, in the order a newcomer needs them.
        modules: The module of a verb in this package, with ``{}`` for its name.
        variables: What its environment variables begin with, likewise.
    """

    def __init__(
        self,
        *given: Any,
        verbs: Mapping[str, str] = VERBS,
        modules: str = "{}_verb",
        variables: str = "{}",
        **more: Any,
    ) -> None:
        super().__init__(*given, **more)
        self.verbs, self._modules, self._variables = verbs, modules, variables

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order a newcomer needs them."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        if cmd_name not in self.verbs:
            return None
        module = importlib.import_module(f"{__name__}.{self._modules.format(cmd_name)}")
        command: click.Command = module.command
        return named_after_options(command, self._variables.format(cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the verb that was probably meant."""
        if args and args[0] not in self.verbs:
            import difflib

            near = difflib.get_close_matches(args[0], self.verbs, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"no verb is called {args[0]!r}{hint} (verbs: {', '.join(self.verbs)})")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(self.verbs.items()))


def _print_version(ctx: click.Context) -> None:
    from v2t_bench.registry import our_version

    click.echo(f"v2t-bench {our_version()}")
    ctx.exit()


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, param, value: _print_version(ctx) if value else None,
    help="Show the version and exit.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log more, tracebacks included.")
@click.option("-q", "--quiet", is_flag=True, help="Log errors only.")
def group(verbose: bool, quiet: bool) -> None:
    """Measure how much text an attacker reads back out of embeddings.

    The main job: v2t-bench run --attack vec2text --defense noise:0.01

    Every option can be given as V2T_BENCH_<VERB>_<OPTION> in the environment; several values
    are separated by white space.
    """
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", force=True)
    logging.getLogger("v2t_bench").setLevel(level)


def main() -> NoReturn:
    """Run the command line and exit with its status."""
    from v2t_bench.errors import V2TError

    # Read when the libraries are imported, which is later than here.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    status = 0
    try:
        # Without standalone mode click hands a requested exit status back as the result.
        status = (
            group.main(auto_envvar_prefix="V2T_BENCH", prog_name="v2t-bench", standalone_mode=False)
            or 0
        )
    except click.ClickException as error:
        status = _refuse(error.format_message())
    except V2TError as error:
        # A damaged file that was named by the user is as unusable as a wrong one.
        status = _refuse(str(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; run the same command again to go on", err=True)
        status = EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader went away, as `head` does; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = EXIT_FAILED
    except OSError as error:
        status = _refuse(f"{error.filename or 'output'}: {error.strerror or error}")
    # Whatever else was not foreseen still ends in one line; -v shows where it came from.
    except Exception as error:
        logging.getLogger("v2t_bench").debug("traceback", exc_info=error)
        status = _refuse(
            f"{type(error).__name__}: {error} (not foreseen; run with -v before the verb for "
            "the traceback)"
        )
    sys.exit(status)


def _refuse(line: str) -> int:
    click.echo("error: " + " ".join(line.split()), err=True)
    return EXIT_USAGE
