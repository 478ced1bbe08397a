"""A task of another package: two yes-or-no questions."""

from qilin_stages.evals.task import Item, Request


class YesNo:
    name = "yes-no"
    sets = ()

    def items(self, data, limit):
        return [Item(str(i), "yes-no", q) for i, q in enumerate(("头痛", "发热"))][:limit]

    def requests(self, items, data, protocol):
        return [Request(i.id, f"{i.stem}是病吗？答：", max_new_tokens=2) for i in items]

    def judge(self, items, answers, protocol):
        said = [answers[i.id] for i in items]
        return [{"id": a.id, "generation": a.text, "score": 100.0 * ("是" in a.text)} for a in said]

    def summary(self, items, rows, protocol):
        return {"said_yes": sum(r["score"] for r in rows) / len(rows), "n": len(rows)}

    def floors(self, items, protocol):
        return {"yes": [{"id": i.id, "score": 100.0} for i in items]}
