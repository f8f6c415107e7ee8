//! Dictionaries, sets and strings: items, membership, slices; operators and iteration of built-in types. All by helpers that run no
//! other code; where that depends on what is in a container, the helper says that it cannot, and the superblock leaves.

use super::builtins::is_key;
use super::{Lowering, Outcome};
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use core::ffi::c_void;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Helper, Resume, Value};

/// The argument of CALL_INTRINSIC_1 (`Include/internal/pycore_intrinsics.h`).
const INTRINSIC_LIST_TO_TUPLE: usize = 6;

unsafe fn is_one_of(op: *mut PyObject, types: &[*mut PyTypeObject]) -> bool {
    types.iter().any(|&t| ptr::eq(ty(op), t))
}

unsafe fn is_dict(op: *mut PyObject) -> bool {
    is_type(op, &raw mut ffi::PyDict_Type)
}

/// Exactly an int, bool, float, str, bytes object or None.
unsafe fn is_plain(op: *mut PyObject) -> bool {
    is_number(op) || facts::is_str(op) || is_type(op, &raw mut ffi::PyBytes_Type) || op == ffi::Py_None()
}

unsafe fn is_number(op: *mut PyObject) -> bool {
    facts::is_int(op) || facts::is_float(op) || is_type(op, &raw mut ffi::PyBool_Type)
}

/// What can be sliced without running code, if the bounds are None and ints.
fn sliced() -> [*mut PyTypeObject; 5] {
    [
        &raw mut ffi::PyList_Type,
        &raw mut ffi::PyTuple_Type,
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyBytes_Type,
        &raw mut ffi::PyRange_Type,
    ]
}

/// Whether a bound of a slice needs no `__index__`.
unsafe fn is_bound(op: *mut PyObject) -> bool {
    op == ffi::Py_None() || facts::is_int(op)
}

/// BINARY_SUBSCR of other containers than lists and tuples.
pub(super) unsafe fn item(l: &mut Lowering) -> Option<Outcome> {
    let (container, key) = (l.real(2), l.real(1));
    if is_one_of(container, &sliced()) && is_type(key, &raw mut ffi::PySlice_Type) {
        let (sequence, slice) = (l.exact(2)?, l.exact(1)?);
        let items = match l.f.info(slice).slice {
            Some([start, stop, step]) if is_type(container, &raw mut ffi::PyList_Type) => {
                l.found(Helper::SliceStep, &[sequence, start, stop, step])?
            }
            _ => l.found(Helper::SliceItem, &[sequence, slice])?,
        };
        l.f.of_class(items, ty(container));
        return l.replace(2, items);
    }
    let is_string = facts::is_str(container);
    let is_found =
        || is_dict(container) && is_quiet_key(key) && dict_find(container, key).is_some_and(|value| !value.is_null());
    let is_range = is_type(container, &raw mut ffi::PyRange_Type);
    if is_dict(container) && !is_quiet_key(key) {
        return super::shims::hashed_item(l);
    }
    if !(is_found() || (is_string || is_range) && facts::is_compact_int(key)) {
        return None;
    }
    let args = [l.exact(2)?, l.key(1)?];
    let item = l.found(Helper::Lookup, &args)?;
    if is_string || is_range {
        let class = if is_string { &raw mut ffi::PyUnicode_Type } else { &raw mut ffi::PyLong_Type };
        l.f.of_class(item, class);
    }
    l.replace(2, item)
}

/// STORE_SUBSCR of a dictionary.
pub(super) unsafe fn store_item(l: &mut Lowering) -> Option<Outcome> {
    if !is_dict(l.real(2)) || !is_quiet_key(l.real(1)) || !is_storable(l.real(2), l.real(1)) {
        return None;
    }
    let (dict, key) = (l.exact(2)?, l.key(1)?);
    let value = l.f.peek(3)?;
    let value = l.f.boxed(value);
    l.store_in_dict(dict, key, value)?;
    let (sub, container, content) = (l.f.pop(), l.f.pop(), l.f.pop());
    l.f.release(content);
    l.f.release(container);
    l.f.release(sub);
    l.done()
}

/// Whether storing under a key in a dictionary is nobody's business and runs no code, as the helper finds.
unsafe fn is_storable(dict: *mut PyObject, key: *mut PyObject) -> bool {
    !dict_is_watched(dict.cast()) && dict_find(dict, key).is_some()
}

/// The same for deleting, if there is such an item.
pub(super) unsafe fn is_deletable(dict: *mut PyObject, key: *mut PyObject) -> bool {
    !dict_is_watched(dict.cast()) && dict_find(dict, key).is_some_and(|value| !value.is_null())
}

/// DELETE_SUBSCR of a dictionary.
pub(super) unsafe fn delete_subscr(l: &mut Lowering) -> Option<Outcome> {
    if !is_dict(l.real(2)) || !is_quiet_key(l.real(1)) || !is_deletable(l.real(2), l.real(1)) {
        return None;
    }
    let args = [l.exact(2)?, l.key(1)?];
    let old = l.found(Helper::DictDelete, &args)?;
    let (sub, container) = (l.f.pop(), l.f.pop());
    l.f.release(Content::Value(old));
    l.f.release(container);
    l.f.release(sub);
    l.done()
}

/// BUILD_MAP: key and value by turns, the keys of classes that compare without running code.
pub(super) unsafe fn build_map(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let null = l.f.builder.const_null();
    let mut args = vec![null, null];
    for i in (1..=2 * n).rev() {
        if i % 2 == 0 {
            if !is_key(l.real(i)) {
                return None;
            }
            args.push(l.exact(i)?);
        } else {
            let v = l.f.peek(i)?;
            args.push(l.f.boxed(v));
        }
    }
    let dict = l.raising(Helper::BuildMap, &args)?;
    l.f.of_class(dict, &raw mut ffi::PyDict_Type);
    let operands: Vec<_> = (0..2 * n).map(|_| l.f.pop()).collect();
    l.f.push_value(dict);
    operands.into_iter().rev().for_each(|operand| l.f.release(operand));
    l.done()
}

/// BUILD_CONST_KEY_MAP: values, and on top of them a constant, the tuple of their keys.
pub(super) unsafe fn build_const_key_map(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let keys = l.real(1);
    let v = l.f.peek(1)?;
    let is_known =
        l.f.info(v).constant == keys && is_type(keys, &raw mut ffi::PyTuple_Type) && size(keys) == n as isize;
    if !is_known || !(0..n).all(|i| is_key(tuple_item(keys, i))) {
        return None;
    }
    let null = l.f.builder.const_null();
    let keep = Keep::Code(l.f.top().code);
    let mut args = vec![null, null];
    for i in 0..n {
        let key = tuple_item(keys, i);
        args.push(l.f.constant(key, if is_immortal(key) { Keep::Immortal } else { keep }));
        let value = l.f.peek(n + 1 - i)?;
        args.push(l.f.boxed(value));
    }
    let dict = l.raising(Helper::BuildMap, &args)?;
    l.f.of_class(dict, &raw mut ffi::PyDict_Type);
    let operands: Vec<_> = (0..=n).map(|_| l.f.pop()).collect();
    l.f.push_value(dict);
    operands.into_iter().rev().for_each(|operand| l.f.release(operand));
    l.done()
}

/// MAP_ADD to a dictionary that a comprehension makes.
pub(super) unsafe fn map_add(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    if !is_dict(l.real(n + 2)) || !is_quiet_key(l.real(2)) || !is_storable(l.real(n + 2), l.real(2)) {
        return None;
    }
    let (dict, key) = (l.exact(n + 2)?, l.key(2)?);
    let value = l.f.peek(1)?;
    let value = l.f.boxed(value);
    l.store_in_dict(dict, key, value)?;
    let (content, key) = (l.f.pop(), l.f.pop());
    l.f.release(key);
    l.f.release(content);
    l.done()
}

/// The empty set that a comprehension begins with.
pub(super) unsafe fn build_set(l: &mut Lowering) -> Option<Outcome> {
    if l.oparg() > 0 {
        return None;
    }
    let class = &raw mut ffi::PySet_Type;
    let callable = l.f.constant(class.cast(), Keep::Immortal);
    let null = l.f.builder.const_null();
    let set = l.raising(Helper::QuietCall, &[callable, null])?;
    l.f.of_class(set, class);
    l.f.push_value(set);
    l.done()
}

/// SET_ADD to a set that a comprehension makes.
pub(super) unsafe fn set_add(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let (set, key) = (l.real(n + 1), l.real(1));
    if !is_type(set, &raw mut ffi::PySet_Type) || !is_quiet_key(key) || set_contains(set, key).is_none() {
        return None;
    }
    let args = [l.exact(n + 1)?, l.key(1)?];
    l.done_unless_zero(Helper::SetAdd, &args)?;
    let key = l.f.pop();
    l.f.release(key);
    l.done()
}

/// LIST_EXTEND by a list or tuple.
pub(super) unsafe fn list_extend(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let is_list = is_type(l.real(n + 1), &raw mut ffi::PyList_Type);
    if !is_list || !super::sequences::is_list_or_tuple(l.real(1)) {
        return None;
    }
    let args = [l.exact(n + 1)?, l.exact(1)?];
    l.f.snapshot(Resume::Raise);
    let error = l.f.builder.call_helper(Helper::ListExtend, &args)?;
    l.f.builder.check_negative(error);
    let items = l.f.pop();
    l.f.release(items);
    l.done()
}

/// DICT_MERGE of an empty dict, or into an empty dict: keywords are passed on.
pub(super) unsafe fn dict_merge(l: &mut Lowering) -> Option<Outcome> {
    let at = l.oparg() + 1;
    let (real, real_items) = (l.real(at), l.real(1));
    l.f.peek(at)?;
    if is_dict(real_items) && ffi::PyDict_Size(real_items) == 0 {
        l.lacks_items(1)?;
        l.f.discard();
        return l.done();
    }
    let is_fillable = is_dict(real)
        && ffi::PyDict_Size(real) == 0
        && is_dict(real_items)
        && keys_are_unicode((*real_items.cast::<PyDictObject>()).ma_keys);
    if !is_fillable {
        return None;
    }
    let args = [l.exact(at)?, l.exact(1)?];
    l.done_unless_zero(Helper::DictFill, &args)?;
    l.f.discard();
    l.done()
}

/// CALL_INTRINSIC_1 that makes a tuple of the list of arguments of a call.
pub(super) unsafe fn call_intrinsic_1(l: &mut Lowering) -> Option<Outcome> {
    if l.oparg() != INTRINSIC_LIST_TO_TUPLE || !is_type(l.real(1), &raw mut ffi::PyList_Type) {
        return None;
    }
    let list = l.exact(1)?;
    l.f.pop();
    let list = l.f.take(list);
    let tuple = l.raising(Helper::TupleOfList, &[list])?;
    l.f.of_class(tuple, &raw mut ffi::PyTuple_Type);
    l.f.push_value(tuple);
    l.done()
}

/// STORE_SLICE of a list.
pub(super) unsafe fn store_slice(l: &mut Lowering) -> Option<Outcome> {
    let (items, list, start, stop) = (l.real(4), l.real(3), l.real(2), l.real(1));
    let is_list = is_type(list, &raw mut ffi::PyList_Type);
    if !is_list || !super::sequences::is_list_or_tuple(items) || !is_bound(start) || !is_bound(stop) {
        return None;
    }
    let args = [l.exact(3)?, l.exact(2)?, l.exact(1)?, l.exact(4)?];
    let helper = if l.f.dies(args[3]) { Helper::ExchangeSlice } else { Helper::StoreSlice };
    l.done_unless_zero(helper, &args)?;
    let operands: Vec<_> = (0..4).map(|_| l.f.pop()).collect();
    // As tier 1 does it: the bounds, what was stored, the list.
    [1, 0, 3, 2].into_iter().for_each(|i| l.f.release(operands[i]));
    l.done()
}

impl Lowering<'_> {
    /// Guards that the operand `n` from the top is exactly a dict without items, if it really is.
    pub(super) unsafe fn lacks_items(&mut self, n: usize) -> Option<()> {
        let real = self.real(n);
        if !is_type(real, &raw mut ffi::PyDict_Type) || ffi::PyDict_Size(real) != 0 {
            return None;
        }
        let args = [self.exact(n)?];
        let truth = self.f.builder.call_helper(Helper::QuietTruth, &args)?;
        let zero = self.f.builder.const_i64(0);
        self.f.at();
        self.f.builder.guard_cmp_i64(Cond::Eq, truth, zero);
        Some(())
    }

    /// Calls a helper that answers 1 or 0, or with a negative number if code would have to run: then the instruction is left to tier 1.
    /// The truth is how the answer compares with 0.
    pub(super) unsafe fn truth_told(&mut self, helper: Helper, args: &[Value], cond: Cond) -> Option<Value> {
        self.f.at();
        let found = self.f.builder.call_helper(helper, args)?;
        let zero = self.f.builder.const_i64(0);
        self.f.builder.guard_cmp_i64(Cond::Ge, found, zero);
        Some(self.f.builder.cmp_i64(cond, found, zero))
    }

    /// Calls a helper that answers with zero if it cannot do it: then the instruction is left to tier 1.
    pub(super) unsafe fn done_unless_zero(&mut self, helper: Helper, args: &[Value]) -> Option<()> {
        self.f.at();
        let zero = self.f.builder.const_i64(0);
        let done = self.f.builder.call_helper(helper, args)?;
        self.f.builder.guard_cmp_i64(Cond::Ne, done, zero);
        Some(())
    }

    /// Stores an item in exactly a dict, and drops what was there.
    unsafe fn store_in_dict(&mut self, dict: Value, key: Value, value: Value) -> Option<()> {
        self.done_unless_zero(Helper::Storable, &[dict, key])?;
        let old = self.raising(Helper::DictStore, &[dict, key, value])?;
        self.f.release(Content::Value(old));
        Some(())
    }
}

pub(super) unsafe fn contains_op(l: &mut Lowering) -> Option<Outcome> {
    let (key, mut container) = (l.real(2), l.real(1));
    if is_type(container, &raw mut ffi::PyDictProxy_Type) && is_dict(proxied(container)) {
        container = proxied(container);
    }
    let searched = [
        &raw mut ffi::PyDict_Type,
        &raw mut ffi::PySet_Type,
        &raw mut ffi::PyFrozenSet_Type,
        &raw mut ffi::PyList_Type,
        &raw mut ffi::PyTuple_Type,
    ];
    let is_bytes = |op| is_type(op, &raw mut ffi::PyBytes_Type);
    let is_text =
        facts::is_str(container) && facts::is_str(key) || is_bytes(container) && (is_bytes(key) || facts::is_int(key));
    if !(is_text || is_one_of(container, &searched) && is_quiet_key(key))
        || is_dict(container) && dict_find(container, key).is_none()
    {
        return super::shims::containment(l);
    }
    let args = [l.exact(1)?, l.key(2)?];
    let cond = if l.oparg() == 0 { Cond::Ne } else { Cond::Eq };
    let truth = l.truth_told(Helper::Member, &args, cond)?;
    l.replace(2, truth)
}

pub(super) unsafe fn binary_slice(l: &mut Lowering) -> Option<Outcome> {
    let (sequence, start, stop) = (l.real(3), l.real(2), l.real(1));
    if !is_one_of(sequence, &sliced()) || !is_bound(start) || !is_bound(stop) {
        return None;
    }
    let args = [l.exact(3)?, l.exact(2)?, l.exact(1)?];
    let slice = l.raising(Helper::Slice, &args)?;
    l.f.of_class(slice, ty(sequence));
    l.replace(3, slice)
}

/// Whether `iter` of an instance of the type is the instance.
unsafe fn is_its_own_iterator(class: *mut PyTypeObject) -> bool {
    (*class).tp_iternext.is_some()
        && (*class).tp_iter.is_some_and(|f| f as *const c_void == ffi::PyObject_SelfIter as *const c_void)
}

pub(super) unsafe fn get_iter(l: &mut Lowering) -> Option<Outcome> {
    let made = super::ranges::iter(l);
    if made.is_some() {
        return made;
    }
    let entered = super::shims::iter(l);
    if entered.is_some() {
        return entered;
    }
    let iterated = [
        (&raw mut ffi::PyTuple_Type, &raw mut PyTupleIter_Type),
        (&raw mut ffi::PyRange_Type, ptr::null_mut()),
        (&raw mut ffi::PyUnicode_Type, ptr::null_mut()),
        (&raw mut ffi::PyDict_Type, ptr::null_mut()),
        (&raw mut ffi::PyBytes_Type, &raw mut ffi::PyBytesIter_Type),
        (&raw mut ffi::PySet_Type, &raw mut ffi::PySetIter_Type),
        (&raw mut ffi::PyFrozenSet_Type, &raw mut ffi::PySetIter_Type),
        (&raw mut ffi::PyDictItems_Type, ptr::null_mut()),
        (&raw mut ffi::PyDictKeys_Type, ptr::null_mut()),
        (&raw mut ffi::PyDictValues_Type, ptr::null_mut()),
    ];
    let class = ty(l.real(1));
    if ptr::eq(class, &raw mut PyGen_Type) {
        // It is its own iterator.
        let generator = l.f.peek(1)?;
        l.f.guard_class(generator, class);
        return l.done();
    }
    if facts::is_static(class) && is_its_own_iterator(class) {
        l.exact(1)?;
        return l.done();
    }
    let iterator_of = |class: *mut PyTypeObject| (*class).tp_iter.map(|f| f as usize);
    let is_list =
        super::sequences::is_a_list(l.real(1)) && iterator_of(class) == iterator_of(&raw mut ffi::PyList_Type);
    let list = is_list.then_some(&raw mut PyListIter_Type);
    let known = list.or_else(|| iterated.iter().find(|(t, _)| ptr::eq(*t, class)).map(|&(_, t)| t));
    let Some(result) = known else { return any_iter(l) };
    let args = [l.receiver(1)?];
    let iter = l.raising(Helper::QuietIter, &args)?;
    if !result.is_null() {
        l.f.of_class(iter, result);
    }
    l.replace(1, iter)
}

/// GET_ITER of an object whose type's function for that is C code, or calls Python code from C.
unsafe fn any_iter(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    let class = ty(real);
    if !facts::is_reliable(class) {
        return None;
    }
    let iterable = l.f.peek(1)?;
    let iterable = l.f.boxed(iterable);
    l.guard_version(iterable, real, (*class).tp_version_tag);
    if is_its_own_iterator(class) {
        return l.done();
    }
    let iter = l.running_code(Helper::GetIter, &[iterable])?;
    l.replace(1, iter)
}

/// BINARY_OP by CPython's own functions, where these run no other code. Those that multiply and divide large ints check for signals.
pub(super) unsafe fn operator(l: &mut Lowering) -> Option<Outcome> {
    /// ADD, AND, LSHIFT, OR, RSHIFT, SUBTRACT, XOR.
    const LINEAR: [usize; 7] = [0, 1, 3, 7, 9, 10, 12];
    const ADD: usize = 0;
    const MULTIPLY: usize = 5;
    const REMAINDER: usize = 6;
    /// `@`: no number has it.
    const MATRIX_MULTIPLY: usize = 4;
    let (left, right) = (l.real(2), l.real(1));
    let oparg = l.oparg();
    let operator = oparg % 13;
    let sequences = [&raw mut ffi::PyList_Type, &raw mut ffi::PyTuple_Type, &raw mut ffi::PyBytes_Type];
    let same = ptr::eq(ty(left), ty(right));
    let has_float = facts::is_float(left) || facts::is_float(right);
    let is_quiet = is_number(left) && is_number(right) && (has_float && operator != MATRIX_MULTIPLY || LINEAR.contains(&operator))
            || operator == ADD && same && is_one_of(left, &sequences)
            // One item to format, which is no tuple.
            || operator == REMAINDER && facts::is_str(left) && (facts::is_str(right) || facts::is_compact_int(right) || facts::is_float(right))
            || operator == MULTIPLY && facts::is_int(right) && (is_one_of(left, &sequences) || facts::is_str(left));
    if !is_quiet {
        return None;
    }
    let operands = [l.exact(2)?, l.exact(1)?];
    if oparg == ADD && is_type(left, &raw mut ffi::PyList_Type) && operands.iter().any(|&v| l.f.dies(v)) {
        return concatenation(l, operands);
    }
    let args = [operands[0], operands[1], l.f.builder.const_i64(oparg as i64)];
    if operator == REMAINDER && facts::is_str(left) && facts::is_int(right) {
        // Making text of a large one checks for signals.
        l.wide(args[1]);
    }
    let result = l.raising(Helper::QuietBinary, &args)?;
    if is_one_of(left, &sequences) {
        l.f.of_class(result, ty(left));
    }
    l.replace(2, result)
}

/// `x + y` of two lists one of which dies.
unsafe fn concatenation(l: &mut Lowering, operands: [Value; 2]) -> Option<Outcome> {
    l.f.pop();
    l.f.pop();
    let operands = operands.map(|v| l.f.take(v));
    let result = l.raising(Helper::ListConcat, &operands)?;
    l.f.of_class(result, &raw mut ffi::PyList_Type);
    l.f.push_value(result);
    l.done()
}

/// COMPARE_OP by CPython's own functions, where these run no other code.
pub(super) unsafe fn compare(l: &mut Lowering) -> Option<Outcome> {
    let (left, right) = (l.real(2), l.real(1));
    let is_bytes = |op| unsafe {
        // SAFETY: a stack item that is an operand.
        is_type(op, &raw mut ffi::PyBytes_Type)
    };
    // Bytes and strings are not mixed: comparing them may be asked to warn.
    if !is_plain(left) || !is_plain(right) || is_bytes(left) != is_bytes(right) {
        return None;
    }
    let args = [l.exact(2)?, l.exact(1)?, l.f.builder.const_i64(l.oparg() as i64 >> 5)];
    let result = l.raising(Helper::QuietCompare, &args)?;
    l.f.of_class(result, &raw mut ffi::PyBool_Type);
    l.replace(2, result)
}

/// TO_BOOL of what has a length, and of large numbers.
pub(super) unsafe fn truth(l: &mut Lowering) -> Option<Outcome> {
    let types = [
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyDict_Type,
        &raw mut ffi::PySet_Type,
        &raw mut ffi::PyFrozenSet_Type,
        &raw mut ffi::PyBytes_Type,
        &raw mut ffi::PyByteArray_Type,
    ];
    if !is_one_of(l.real(1), &types) && !super::deques::is_deque(l.real(1)) {
        return None;
    }
    let args = [l.receiver(1)?];
    let truth = l.f.builder.call_helper(Helper::QuietTruth, &args)?;
    let zero = l.f.builder.const_i64(0);
    let truth = l.f.builder.cmp_i64(Cond::Ne, truth, zero);
    l.replace(1, truth)
}
