"""Rewrites what a function of a Locust file does, statement by statement."""

from __future__ import annotations

import ast

from loadgen.convert.locustfile.classes import Function, name_of
from loadgen.convert.locustfile.judgements import Judgements, judgement

# What of Locust's is left behind, and every plain statement with it.
_ABROAD = frozenset({"environment", "runner"})
_OF_CLIENT = frozenset({"headers", "cookies", "auth", "verify"})


class Rewriter(Judgements):
    """Of one function."""

    def body(self) -> None:
        """All statements of the function."""
        self._know(self.piece.node)
        self._block(self.piece.node.body)

    def _block(self, body: list[ast.stmt]) -> None:
        gone = [one for one in body if self._is_gone(one)]
        for one in body:
            if one not in gone:
                self.visit(one)
        for one in gone:
            line = self.text.line(one.lineno).encode()
            alone = not line[: one.col_offset].strip()
            if (len(gone) == len(body) and one is body[0]) or not alone:
                self.text.put(one, "pass")
            else:
                assert one.end_lineno is not None
                self.text.replace(self.text.starts[one.lineno - 1], self.text.starts[one.end_lineno], "")

    def _is_gone(self, node: ast.stmt) -> bool:
        if node in self.script.said_once:
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            called = node.value.func
            if isinstance(called, ast.Attribute):
                if called.attr == "success" and isinstance(called.value, ast.Name) and not node.value.args:
                    self.script.note(
                        "success() was dropped: an answer of 400 and above counts as failed in any case"
                    )
                    return True
                above = called.value
                if isinstance(above, ast.Call) and name_of(above.func) == "super":
                    return self.scope.member(called) is None
                if called.attr == "interrupt" and self.scope.is_user(called.value):
                    return len(self.piece.node.body) > 1 and node is self.piece.node.body[-1]
        if not isinstance(node, (ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Delete, ast.Assert)):
            return False
        for one in ast.walk(node):
            if not isinstance(one, ast.Attribute):
                continue
            if one.attr in _ABROAD and self.scope.is_user(one.value):
                outer = self._above.get(one)
                if self._option(outer, one) is None and not self._is_host(outer):
                    return self._leave(node)
            if one.attr in ("stop", "schedule_task") and self.scope.is_user(one.value):
                return self._leave(node) if self.scope.member(one) is None else False
            if (
                self.scope.is_client(one.value)
                and one.attr not in _OF_CLIENT
                and not self.scope.is_request(self._above.get(one, one))
            ):
                return self._leave(node)
            if one.attr == "verify" and self.scope.is_client(one.value):
                self.script.plan["insecure"] = "True"
                return True
        return False

    def _leave(self, node: ast.stmt) -> bool:
        words = " ".join(self.text.of(node).split())
        self.script.note(f"line {node.lineno} was left out: {words if len(words) < 70 else words[:67] + '…'}")
        return True

    def _with(self, node: ast.With) -> bool | None:
        first = node.items[0]
        call = first.context_expr
        if not isinstance(call, ast.Call):
            return False
        renames = (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "rename_request"
            and self.scope.is_client(call.func.value)
        )
        if not renames and not self.scope.is_request(call):
            return False
        if len(node.items) > 1:
            self.script.note(
                f"line {node.lineno}: a request beside other things in one `with` was not rewritten"
            )
            return False
        target = first.optional_vars
        name = self.text.of(target) if target is not None else None
        if name is not None and isinstance(target, ast.Name) and not self._is_read(name):
            name = None
        colon = self.text.find(":", self.text.end(target or call))
        inner = node.body[0]
        is_short = inner.lineno == self.text.bytes.count(b"\n", 0, colon) + 1
        assert node.end_lineno is not None
        pad = " " * self.text.indent(node.lineno)
        if is_short:
            self.text.replace(colon + 1, self.text.start(inner), f"\n{pad}")
        else:
            first_line = self.text.bytes.count(b"\n", 0, colon) + 2
            self.text.dedent(first_line, node.end_lineno, inner.col_offset - node.col_offset)
        before = f"{name} = " if name is not None else ""
        if renames:
            self.visit(call.args[0])
            self._names.append(self.text.now(call.args[0]))
            end = colon + 1 if is_short else self.text.starts[self.text.bytes.count(b"\n", 0, colon) + 1]
            last = self.text.start(inner) if is_short else end
            self.text.replace(
                self.text.start(node) if is_short else self.text.starts[node.lineno - 1], last, ""
            )
            self._block(node.body)
            self._names.pop()
            return None
        self.text.replace(self.text.start(node), self.text.start(call), before)
        self._request(call, len(pad) + len(before))
        self.text.replace(self.text.end(call), colon + 1, "")
        if len(node.body) == 1 and (isinstance(inner, ast.Pass) or self._is_dropped(inner)):
            begin = colon + 1 if is_short else self.text.starts[inner.lineno - 1] - 1
            assert inner.end_lineno is not None
            self.text.replace(begin, self.text.end(inner), "")
            if not isinstance(inner, ast.Pass):
                self._is_gone(inner)
        else:
            self._block(node.body)
        return None

    def _is_dropped(self, node: ast.stmt) -> bool:
        return judgement(node) == "success"

    def _is_read(self, name: str) -> bool:
        """Whether a response is looked at, besides being told what it is."""
        told = {
            id(one.value.func.value)
            for one in ast.walk(self.piece.node)
            if isinstance(one, ast.Expr)
            and isinstance(one.value, ast.Call)
            and isinstance(one.value.func, ast.Attribute)
            and one.value.func.attr in ("success", "failure")
        }
        return any(
            isinstance(one, ast.Name)
            and one.id == name
            and isinstance(one.ctx, ast.Load)
            and id(one) not in told
            for one in ast.walk(self.piece.node)
        )

    def _return(self, node: ast.Return) -> bool | None:
        if self.wait is None or self._function_of(node) is not self.piece.node:
            return False
        self.text.put(node, f"return await {self.wait}")
        return None

    def _function_of(self, node: ast.AST) -> ast.AST:
        above = self._above[node]
        while not isinstance(above, (Function, ast.Lambda)):
            above = self._above[above]
        return above

    def _raise(self, node: ast.Raise) -> bool | None:
        raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        name = name_of(raised) if raised is not None else ""
        if name in ("InterruptTaskSet", "RescheduleTask", "RescheduleTaskImmediately"):
            self.text.put(
                node,
                f"return await {self.wait}"
                if self.wait and name != "RescheduleTaskImmediately"
                else "return",
            )
            return None
        if name in ("StopUser", "StopTest"):
            self.script.note(f"line {node.lineno}: {name} ends an iteration here, and no user")
            self.text.put(node, "return")
            return None
        return False

    def _functiondef(self, node: ast.FunctionDef) -> bool:
        if node.name in self.scope.local_async:
            self.text.insert(self.text.start(node), "async ")
        return False

    def _expr(self, node: ast.Expr) -> bool | None:
        call = node.value
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return False
        if call.func.attr == "interrupt" and self.scope.is_user(call.func.value):
            owner = self.piece.owner
            if owner is not None and owner.kind == "sequence":
                self.script.note(
                    f"line {node.lineno}: interrupt() ends a step here, and not the whole sequence"
                )
            self.text.put(node, f"return await {self.wait}" if self.wait else "return")
            return None
        return False
