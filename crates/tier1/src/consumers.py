# What CPython does in C when something consumes a generator (see consumers.rs). Compiled when tier 1 is initialized. The
# parameters are the call's operands in the order in which CPython drops them. `_` is no variable: what a loop puts there stays on the stack,
# from where it is taken in the same breath, so nothing holds an item longer than C code does. What else is called is named
# here, and found in the globals: programs may change builtins.

abs, float, int, len, tuple, type = abs, float, int, len, tuple, type


def any_of(iterable, function):
    for _ in iterable:
        if _:
            return True
    return False


def all_of(iterable, function):
    for _ in iterable:
        if not _:
            return False
    return True


def list_of(iterable, function):
    result = [_ for _ in iterable]
    if 1 < len(result) < 5:
        fit(result)
    return result


def tuple_of(iterable, function):
    return tuple([_ for _ in iterable])


def set_of(iterable, function):
    return {_ for _ in iterable}


def sorted_of(iterable, function):
    result = [_ for _ in iterable]
    if 1 < len(result) < 5:
        fit(result)
    result.sort()
    return result


def joined_of(separator, iterable, function):
    return separator.join([_ for _ in iterable])


def max_of(iterable, function):
    for result in iterable:
        for item in iterable:
            if item > result:
                result = item
            del item
        return result
    return function(())


def min_of(iterable, function):
    for result in iterable:
        for item in iterable:
            if item < result:
                result = item
            del item
        return result
    return function(())


# Ints are added up as long as the sum fits in 64 bits; then floats, with compensation (Neumaier); then anything. There is
# no way back.
def sum_of(iterable, function):
    total = 0
    for item in iterable:
        if type(item) is int:
            more = total + item
            if -0x2000_0000 < more < 0x2000_0000 or more.bit_length() < 62:
                total = more
                continue
        more = add_ints(total, item)
        if more is None:
            break
        total = more
    else:
        return total
    total = total + item
    del item
    if type(total) is float:
        low = 0.0
        for item in iterable:
            if type(item) is float:
                more = total + item
                if abs(total) >= abs(item):
                    low = low + ((total - more) + item)
                else:
                    low = low + ((item - more) + total)
                total = more
                continue
            more = add_int(total, item)
            if more is None:
                break
            total = more
            del item
        else:
            return total + low if low and low - low == 0.0 else total
        if low and low - low == 0.0:
            total = total + low
        total = total + item
        del item
    for item in iterable:
        total = total + item
        del item
    return total


# These two are rewritten further: the generator is resumed once, by SEND, and what it returns is put into `result`, which is none of the operands.


def next_of(generator, function, result):
    for _ in generator:
        return _
    return stopped(result)


def send_of(generator, value, function, result):
    for _ in generator:
        return _
    return stopped(result)
