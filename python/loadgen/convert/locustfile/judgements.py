"""What a Locust file judges of responses, as checks: `if …: r.failure("…")` is `user.expect(…)`."""

from __future__ import annotations

import ast

from loadgen.convert.locustfile.expressions import Expressions
from loadgen.convert.locustfile.layout import is_plain
from loadgen.convert.source import Code, Invoke, lay

_OPPOSITES = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Lt: ("<", ">="),
    ast.LtE: ("<=", ">"),
    ast.Gt: (">", "<="),
    ast.GtE: (">=", "<"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}


class Judgements(Expressions):
    """Of one function, with its expressions."""

    def _if(self, node: ast.If) -> bool | None:
        passed = len(node.body) == 1 and judgement(node.body[0]) == "success"
        failed = len(node.body) == 1 and judgement(node.body[0]) == "failure"
        other = judgement(node.orelse[0]) if len(node.orelse) == 1 else None
        if self.text.comments(node):
            return False
        if passed and other == "failure":
            said = node.orelse[0].value.args[0]  # type: ignore[attr-defined]
            self.visit(node.test)
            if is_plain(said):
                self._expect(node, self.text.now(node.test), said)
            else:
                self._fail(node, self._opposite(node.test), said)
            return None
        if failed and (not node.orelse or other == "success"):
            said = node.body[0].value.args[0]  # type: ignore[attr-defined]
            is_elif = self._is_elif(node)
            self.visit(node.test)
            if is_plain(said) and not is_elif:
                self._expect(node, self._opposite(node.test), said)
                return None
            if other == "success":
                if is_elif:
                    self.text.replace(self.text.end(node.body[0]), self.text.end(node), "")
                    self._block(node.body)
                else:
                    self._fail(node, self.text.now(node.test), said)
                return None
            self._block(node.body)
            return None
        return False

    def _is_elif(self, node: ast.If) -> bool:
        return self.text.bytes[self.text.start(node) :].startswith(b"elif")

    def _expect(self, node: ast.If, test: str, said: ast.expr) -> None:
        call = Invoke(f"{self.script.user}.expect", (Code(test), Code(self.text.now(said))))
        if self._is_elif(node):
            pad = " " * (self.text.indent(node.lineno) + 4)
            self.text.put(node, "\n".join(["else:", *lay("", call, indent=len(pad))]))
        else:
            lines = lay("", call, indent=self.text.indent(node.lineno))
            self.text.put(node, "\n".join(lines).lstrip())

    def _fail(self, node: ast.If, test: str, said: ast.expr) -> None:
        self.visit(said)
        indent = self.text.indent(node.lineno)
        call = Invoke(f"{self.script.user}.expect", (Code("False"), Code(self._message(said))))
        lines = lay("", call, indent=indent + 4)
        word = "elif" if self._is_elif(node) else "if"
        self.text.put(node, "\n".join([f"{word} {test}:", *lines]))

    def _opposite(self, test: ast.expr) -> str:
        """Of a test that was visited."""
        now = self.text.now(test)
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return self.text.now(test.operand)
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and type(test.ops[0]) in _OPPOSITES:
            _, other = _OPPOSITES[type(test.ops[0])]
            first, second = self.text.now(test.left), self.text.now(test.comparators[0])
            if now.startswith(first) and now.endswith(second):
                return f"{first} {other} {second}"
        bare = isinstance(test, (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Compare))
        return f"not {now}" if bare else f"not ({now})"


def judgement(node: ast.stmt) -> str | None:
    """`r.success()` or `r.failure("…")`."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return None
    called = node.value.func
    if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
        return None
    wanted = {"success": 0, "failure": 1}.get(called.attr)
    return called.attr if wanted == len(node.value.args) and not node.value.keywords else None
