"""The entry point of the installed `loyalty` command."""

import gc


def main() -> None:
    """Load the commands and obey one."""
    # what is loaded stays; to look through it again and again for what could go took a quarter of the start
    gc.disable()
    from services.commands.loyalty import app  # noqa: PLC0415 - loaded by now it would have been looked through

    gc.freeze()
    gc.enable()
    app()
