# What CPython does in C around the methods that operators of Python classes call (see shims.rs). Compiled when tier 1 is
# initialized. Each function's frame is entered at its call of `function`, of which the interpreter makes the frame itself. `...` stands for
# NotImplemented, which no constant can name.


def operator(left, right, operation, function):
    result = function()
    if result is ...:
        return other_operand(left, right, operation)
    return result


def comparison(left, right, operation, function):
    result = function()
    if result is ...:
        return other_comparison(left, right, operation)
    return result


def comparison_truth(left, right, operation, function):
    result = function()
    if result is ...:
        result = other_comparison(left, right, operation)
    return not not result


def containment(item, container, operation, function):
    return not not function()


def no_containment(item, container, operation, function):
    return not function()


def assignment(value, container, key, function):
    function()


class Operators:
    def __add__(self, other): ...

    __sub__ = __mul__ = __matmul__ = __truediv__ = __floordiv__ = __mod__ = __lshift__ = __rshift__ = __add__
    __and__ = __or__ = __xor__ = __eq__ = __contains__ = __setitem__ = __call__ = __iter__ = __add__
