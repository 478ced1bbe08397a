"""Commands that train: list, tiny, plan, preview, run, merge, push, chat, convert-baichuan."""
