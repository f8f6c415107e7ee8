# What CPython does in C around the methods in Python that instructions call (see shims.rs). Compiled when tier 1 is
# initialized. Each function's frame is entered at its call of `function`, of which the interpreter makes the frame itself. `...` stands for
# NotImplemented, which no constant can name. What else is called is named here, and found in the globals: programs may change builtins.
# The first parameters are what C code holds on to; `result` is one of them where it is dropped before the others, should it be wrong.

StopIteration = StopIteration
exhausted = object()


def operator(left, right, operation, function):
    result = function()
    if result is ...:
        return other_operand(left, right, operation)
    return result


def reflected(left, right, operation, other, function):
    result = function()
    if result is ...:
        return no_operand(left, right, operation)
    return result


def in_place(left, right, operation, function):
    result = function()
    if result is ...:
        return not_in_place(left, right, operation)
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


def containment(item, container, function):
    return not not function()


def no_containment(item, container, function):
    return not function()


def hashed_containment(result, item, container, function):
    result = function()
    return is_in(container, item, result)


def hashed_no_containment(result, item, container, function):
    result = function()
    return not is_in(container, item, result)


def hashed_item(result, container, key, function):
    result = function()
    return item_of(container, key, result)


def assignment(first, second, third, function):
    function()


def passed(first, second, function):
    return function()


def truth(result, operand, callable, function):
    result = function()
    if result is True or result is False:
        return result
    return no_bool(result)


def length(result, operand, callable, function):
    result = function()
    return checked_length(result)


def length_truth(result, operand, callable, function):
    result = function()
    return checked_length(result) > 0


def iterator(result, operand, callable, function):
    result = function()
    return checked_iterator(result)


def next_item(function):
    try:
        return function()
    except StopIteration:
        return exhausted


def instance(instance, function):
    result = function()
    if result is None:
        return instance
    return no_none(result)


class Operators:
    def __add__(self, other): ...

    __sub__ = __mul__ = __matmul__ = __truediv__ = __floordiv__ = __mod__ = __lshift__ = __rshift__ = __add__
    __and__ = __or__ = __xor__ = __eq__ = __contains__ = __setitem__ = __call__ = __iter__ = __next__ = __add__
    __iadd__ = __isub__ = __imul__ = __imatmul__ = __itruediv__ = __ifloordiv__ = __imod__ = __ilshift__ = __add__
    __irshift__ = __iand__ = __ior__ = __ixor__ = __neg__ = __invert__ = __abs__ = __bool__ = __len__ = __add__
    __get__ = __set__ = __getattr__ = __hash__ = __add__
