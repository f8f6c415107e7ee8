//! Which method in Python an instruction calls first, and with which shim.

use super::enter::attribute_name;
use super::{FUNCTIONS, Function, Kind, OPERATORS, Operator, Shims, Slots, shims};
use crate::context;
use crate::dispatch::State;
use crate::polymorphic;
use crate::specialize::loads_generically;
use crate::table::op;
use core::ffi::{c_int, c_void};
use core::ptr;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// A method (borrowed) that an instruction calls first, and the shim that does what follows. The method is null if there is none.
#[derive(Clone, Copy)]
pub struct Found {
    /// The shim.
    pub kind: Kind,
    /// The method.
    pub function: *mut PyFunctionObject,
}

impl Found {
    const NONE: Found = Found { kind: Kind::Operator, function: ptr::null_mut() };

    /// Whether nothing was found.
    #[inline(always)]
    pub fn is_none(self) -> bool {
        self.function.is_null()
    }
}

macro_rules! pointer {
    ($slot:expr) => {
        $slot.map_or(ptr::null(), |f| f as *const c_void)
    };
}

/// A slot in one of a type's tables.
macro_rules! slot {
    ($t:expr, $table:ident, $slot:ident) => {{
        let table = (*$t).$table;
        if table.is_null() { ptr::null() } else { pointer!((*table).$slot) }
    }};
}

/// The slot of a type for an operator, and for its in-place variant.
pub(super) unsafe fn operator_slots(t: *mut PyTypeObject, operator: usize) -> [*const c_void; 2] {
    let n = (*t).tp_as_number;
    if n.is_null() {
        return [ptr::null(); 2];
    }
    macro_rules! pair {
        ($a:ident, $b:ident) => {
            [pointer!((*n).$a), pointer!((*n).$b)]
        };
    }
    match operator {
        0 => pair!(nb_add, nb_inplace_add),
        1 => pair!(nb_and, nb_inplace_and),
        2 => pair!(nb_floor_divide, nb_inplace_floor_divide),
        3 => pair!(nb_lshift, nb_inplace_lshift),
        4 => pair!(nb_matrix_multiply, nb_inplace_matrix_multiply),
        5 => pair!(nb_multiply, nb_inplace_multiply),
        6 => pair!(nb_remainder, nb_inplace_remainder),
        7 => pair!(nb_or, nb_inplace_or),
        9 => pair!(nb_rshift, nb_inplace_rshift),
        10 => pair!(nb_subtract, nb_inplace_subtract),
        11 => pair!(nb_true_divide, nb_inplace_true_divide),
        12 => pair!(nb_xor, nb_inplace_xor),
        _ => [ptr::null(); 2],
    }
}

/// The slots of a class that defines everything.
pub(super) unsafe fn slots_of(t: *mut PyTypeObject) -> Slots {
    Slots {
        richcompare: pointer!((*t).tp_richcompare),
        contains: slot!(t, tp_as_sequence, sq_contains),
        assign: slot!(t, tp_as_mapping, mp_ass_subscript),
        call: pointer!((*t).tp_call),
        iter: pointer!((*t).tp_iter),
        next: pointer!((*t).tp_iternext),
        bool: slot!(t, tp_as_number, nb_bool),
        length: [slot!(t, tp_as_sequence, sq_length), slot!(t, tp_as_mapping, mp_length)],
        negative: slot!(t, tp_as_number, nb_negative),
        invert: slot!(t, tp_as_number, nb_invert),
        absolute: slot!(t, tp_as_number, nb_absolute),
        hash: pointer!((*t).tp_hash),
        get: pointer!((*t).tp_descr_get),
        set: pointer!((*t).tp_descr_set),
        getattr: pointer!((*t).tp_getattro),
    }
}

/// The plain function with so many positional arguments, and no other parameters, that a type has under this name.
unsafe fn method(t: *mut PyTypeObject, name: *mut PyObject, count: c_int) -> *mut PyFunctionObject {
    simple(t, name, count, 0)
}

/// [`method`], of this kind: 0, or CO_GENERATOR.
unsafe fn simple(t: *mut PyTypeObject, name: *mut PyObject, count: c_int, kind: c_int) -> *mut PyFunctionObject {
    takes(type_lookup(t, name), count, kind)
}

/// The object (or null), if it is such a function.
unsafe fn takes(found: *mut PyObject, count: c_int, kind: c_int) -> *mut PyFunctionObject {
    if found.is_null() || !is_type(found, &raw mut PyFunction_Type) {
        return ptr::null_mut();
    }
    let function = found.cast::<PyFunctionObject>();
    let code = (*function).func_code.cast::<PyCodeObject>();
    let other = CO_VARARGS | CO_VARKEYWORDS | CO_GENERATOR | CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR;
    let is_simple = (*code).co_flags & (CO_OPTIMIZED | other) == CO_OPTIMIZED | kind
        && (*code).co_kwonlyargcount == 0
        && (*code).co_argcount == count;
    let is_plain =
        (*function).vectorcall.map_or(ptr::null(), |f| f as *const c_void) == context::known().function_vectorcall;
    if is_simple && is_plain { function } else { ptr::null_mut() }
}

/// Finders: each is asked only where calls are ours to make, and if the type is made at run time, as classes written in Python are. What they call
/// gets no registers, so that handlers can end in a jump.
macro_rules! finders {
    ($($(#[$doc:meta])* $name:ident($s:ident, $receiver:expr) => $find:expr;)*) => { $(
        $(#[$doc])*
        #[inline(always)]
        pub unsafe fn $name($s: State) -> Found {
            if !has_feature(ty($receiver), TPFLAGS_HEAPTYPE) || !$s.hook_is_ours() {
                return Found::NONE;
            }
            $find
        }
    )* };
}

finders! {
    /// COMPARE_OP: the left operand's method.
    compare(s, s.peek(2)) => find_compare(s.peek(2), s.peek(1), s.oparg());
    /// CONTAINS_OP: the container's.
    contains(s, s.peek(1)) => find_contains(ty(s.peek(1)), s.oparg());
    /// CONTAINS_OP of a dictionary or set: the item's `__hash__`.
    contains_hashed(s, s.peek(2)) => find_contains_hashed(s.peek(2), s.peek(1), s.oparg());
    /// BINARY_SUBSCR of a dictionary: the key's `__hash__`.
    hashed_item(s, s.peek(1)) => find_hashed_item(s.peek(1), s.peek(2));
    /// STORE_SUBSCR: the container's.
    assign(s, s.peek(2)) => find_assign(ty(s.peek(2)));
    /// TO_BOOL.
    truth(s, s.peek(1)) => find_truth(ty(s.peek(1)), [Kind::Truth, Kind::LengthTruth]);
    /// UNARY_NEGATIVE and UNARY_INVERT.
    unary(s, s.peek(1)) => find_unary(ty(s.peek(1)), (*s.pc).op);
    /// GET_ITER, GET_YIELD_FROM_ITER.
    iterator(s, s.peek(1)) => find_iterator(ty(s.peek(1)), Kind::Iterator);
    /// FOR_ITER.
    next(s, s.peek(1)) => find_next(ty(s.peek(1)), Kind::Next);
    /// LOAD_ATTR.
    load(s, s.peek(1)) => find_load(s.peek(1), attribute_name(s), s.oparg() & 1 != 0);
    /// STORE_ATTR.
    store(s, s.peek(1)) => find_store(ty(s.peek(1)), attribute_name(s));
}

/// BINARY_OP.
#[inline(always)]
pub unsafe fn binary(s: State) -> Found {
    let (left, right) = (s.peek(2), s.peek(1));
    let is_class = has_feature(ty(left), TPFLAGS_HEAPTYPE) || has_feature(ty(right), TPFLAGS_HEAPTYPE);
    if is_class && s.hook_is_ours() { find_binary(left, right, s.oparg()) } else { Found::NONE }
}

/// CALL of a function whose only argument has the method, or, by a shim, of `other_operand`.
#[inline(always)]
pub unsafe fn called(s: State) -> Found {
    let n = s.oparg();
    if (n != 1 && n != 3) || !s.peek(n + 1).is_null() || !s.hook_is_ours() {
        return Found::NONE;
    }
    if n == 1 { find_called(s.peek(3), s.peek(1)) } else { find_other(s.peek(5), s.peek(3), s.peek(2), s.peek(1)) }
}

#[inline(never)]
unsafe fn find_binary(left: *mut PyObject, right: *mut PyObject, oparg: usize) -> Found {
    let (Some(shims), l, r) = (shims(), ty(left), ty(right)) else { return Found::NONE };
    let row = &shims.operators[oparg % OPERATORS.len()];
    let [slot, in_place] = operator_slots(l, oparg % OPERATORS.len());
    let sequence = (*l).tp_as_sequence;
    let is_sequence = !sequence.is_null() && ((*sequence).sq_concat.is_some() || (*sequence).sq_repeat.is_some());
    if row.slots[0].is_null() || is_sequence {
        return Found::NONE;
    }
    if oparg >= OPERATORS.len() && !in_place.is_null() {
        if in_place != row.slots[1] || !has_feature(l, TPFLAGS_HEAPTYPE) {
            return Found::NONE;
        }
        return Found { kind: Kind::InPlace, function: method(l, row.in_place, 2) };
    }
    if slot == row.slots[0] {
        // The right operand's comes first.
        if !has_feature(l, TPFLAGS_HEAPTYPE) || l != r && ffi::PyType_IsSubtype(r, l) != 0 {
            return Found::NONE;
        }
        if l == r || !type_lookup(l, row.name).is_null() {
            return Found { kind: Kind::Operator, function: method(l, row.name, 2) };
        }
    } else if !(slot.is_null() || is_other_than_number(left, right)) {
        return Found::NONE;
    }
    reflected(row, oparg, r, Kind::Reflected)
}

/// Whether the left operand is a number that does not know what to do with the right one.
unsafe fn is_other_than_number(left: *mut PyObject, right: *mut PyObject) -> bool {
    let is_number = is_type(left, &raw mut ffi::PyLong_Type) || is_type(left, &raw mut ffi::PyFloat_Type);
    is_number && ffi::PyLong_Check(right) == 0 && ffi::PyFloat_Check(right) == 0
}

/// The method of the right operand, whose class is not the left one's.
unsafe fn reflected(row: &Operator, oparg: usize, r: *mut PyTypeObject, kind: Kind) -> Found {
    if !has_feature(r, TPFLAGS_HEAPTYPE) || operator_slots(r, oparg % OPERATORS.len())[0] != row.slots[0] {
        return Found::NONE;
    }
    Found { kind, function: method(r, row.reflected, 2) }
}

/// What `other_operand` calls first; its arguments are as in shims.py.
unsafe fn find_other(
    callable: *mut PyObject,
    left: *mut PyObject,
    right: *mut PyObject,
    oparg: *mut PyObject,
) -> Found {
    match shims() {
        Some(shims) if callable == shims.other_operand && ty(left) != ty(right) => {
            let oparg = long_compact_value(oparg) as usize;
            reflected(&shims.operators[oparg % OPERATORS.len()], oparg, ty(right), Kind::OtherOperand)
        }
        _ => Found::NONE,
    }
}

unsafe fn find_compare(left: *mut PyObject, right: *mut PyObject, oparg: usize) -> Found {
    let (Some(shims), l, r) = (shims(), ty(left), ty(right)) else { return Found::NONE };
    if pointer!((*l).tp_richcompare) != shims.slots.richcompare || l != r && ffi::PyType_IsSubtype(r, l) != 0 {
        return Found::NONE;
    }
    let kind = if oparg & 16 != 0 { Kind::ComparisonTruth } else { Kind::Comparison };
    Found { kind, function: method(l, shims.comparisons[oparg >> 5], 2) }
}

unsafe fn find_contains(t: *mut PyTypeObject, oparg: usize) -> Found {
    let kind = if oparg & 1 != 0 { Kind::NoContainment } else { Kind::Containment };
    match shims() {
        Some(shims) if slot!(t, tp_as_sequence, sq_contains) == shims.slots.contains => {
            Found { kind, function: method(t, shims.names.contains, 2) }
        }
        _ => Found::NONE,
    }
}

unsafe fn find_contains_hashed(item: *mut PyObject, container: *mut PyObject, oparg: usize) -> Found {
    let types = [&raw mut ffi::PyDict_Type, &raw mut ffi::PySet_Type, &raw mut ffi::PyFrozenSet_Type];
    // A set that cannot be hashed is looked for as a frozen one.
    if !types.contains(&ty(container)) || ffi::PySet_Check(item) != 0 {
        return Found::NONE;
    }
    find_hash(ty(item), if oparg & 1 != 0 { Kind::HashedNoContainment } else { Kind::HashedContainment })
}

unsafe fn find_hashed_item(key: *mut PyObject, dict: *mut PyObject) -> Found {
    if is_type(dict, &raw mut ffi::PyDict_Type) { find_hash(ty(key), Kind::HashedItem) } else { Found::NONE }
}

#[inline(never)]
unsafe fn find_hash(t: *mut PyTypeObject, kind: Kind) -> Found {
    match shims() {
        Some(shims) if pointer!((*t).tp_hash) == shims.slots.hash => {
            Found { kind, function: method(t, shims.names.hash, 1) }
        }
        _ => Found::NONE,
    }
}

unsafe fn find_assign(t: *mut PyTypeObject) -> Found {
    match shims() {
        Some(shims) if slot!(t, tp_as_mapping, mp_ass_subscript) == shims.slots.assign => {
            Found { kind: Kind::Assignment, function: method(t, shims.names.setitem, 3) }
        }
        _ => Found::NONE,
    }
}

/// `kinds`: by `__bool__`, and by `__len__`.
unsafe fn find_truth(t: *mut PyTypeObject, kinds: [Kind; 2]) -> Found {
    let Some(shims) = shims() else { return Found::NONE };
    let bool = slot!(t, tp_as_number, nb_bool);
    if bool == shims.slots.bool {
        return Found { kind: kinds[0], function: method(t, shims.names.bool, 1) };
    }
    if bool.is_null() && slot!(t, tp_as_mapping, mp_length) == shims.slots.length[1] {
        return Found { kind: kinds[1], function: method(t, shims.names.len, 1) };
    }
    Found::NONE
}

unsafe fn find_unary(t: *mut PyTypeObject, number: u16) -> Found {
    let Some(Shims { slots, names, .. }) = shims() else { return Found::NONE };
    let (slot, wanted, name) = if number == op::UNARY_NEGATIVE {
        (slot!(t, tp_as_number, nb_negative), slots.negative, names.negative)
    } else {
        (slot!(t, tp_as_number, nb_invert), slots.invert, names.invert)
    };
    if slot == wanted { Found { kind: Kind::Unary, function: method(t, name, 1) } } else { Found::NONE }
}

unsafe fn find_iterator(t: *mut PyTypeObject, kind: Kind) -> Found {
    match shims() {
        Some(shims) if pointer!((*t).tp_iter) == shims.slots.iter => {
            Found { kind, function: method(t, shims.names.iter, 1) }
        }
        _ => Found::NONE,
    }
}

unsafe fn find_next(t: *mut PyTypeObject, kind: Kind) -> Found {
    match shims() {
        Some(shims) if pointer!((*t).tp_iternext) == shims.slots.next => {
            Found { kind, function: method(t, shims.names.next, 1) }
        }
        _ => Found::NONE,
    }
}

unsafe fn find_called(callable: *mut PyObject, arg: *mut PyObject) -> Found {
    let t = ty(arg);
    if !has_feature(t, TPFLAGS_HEAPTYPE) {
        return Found::NONE;
    }
    let Some(Shims { slots, names, functions, .. }) = shims() else { return Found::NONE };
    let Some(i) = functions.iter().position(|&function| function == callable) else { return Found::NONE };
    match FUNCTIONS[i].0 {
        Function::Len if slot!(t, tp_as_sequence, sq_length) == slots.length[0] => {
            Found { kind: Kind::Length, function: method(t, names.len, 1) }
        }
        Function::Next => find_next(t, Kind::Passed),
        Function::Abs if slot!(t, tp_as_number, nb_absolute) == slots.absolute => {
            Found { kind: Kind::Passed, function: method(t, names.absolute, 1) }
        }
        Function::Bool => find_truth(t, [Kind::CalledTruth, Kind::CalledLengthTruth]),
        Function::Iter => find_iterator(t, Kind::CalledIterator),
        Function::Len | Function::Abs => Found::NONE,
    }
}

unsafe fn find_load(owner: *mut PyObject, name: *mut PyObject, is_call: bool) -> Found {
    let Some(Shims { slots, names, .. }) = shims() else { return Found::NONE };
    let t = ty(owner);
    if !loads_generically(t) {
        return find_hook(owner, name, is_call);
    }
    let descriptor = type_lookup(t, name);
    if descriptor.is_null() {
        return Found::NONE;
    }
    let kind = ty(descriptor);
    if is_call && is_type(descriptor, &raw mut PyProperty_Type) {
        let getter = (*descriptor.cast::<PropertyObject>()).prop_get;
        return Found { kind: Kind::PropertyCallable, function: takes(getter, 1, 0) };
    }
    if pointer!((*kind).tp_descr_get) != slots.get
        || (*kind).tp_descr_set.is_none() && !polymorphic::instance_lacks(owner, name)
    {
        return Found::NONE;
    }
    Found { kind: if is_call { Kind::GetCallable } else { Kind::Get }, function: method(kind, names.get, 3) }
}

/// `__getattr__`, for an attribute that neither class nor instance has.
unsafe fn find_hook(owner: *mut PyObject, name: *mut PyObject, is_call: bool) -> Found {
    let Some(shims) = shims() else { return Found::NONE };
    let (t, known) = (ty(owner), context::known());
    let object = &raw mut ffi::PyBaseObject_Type;
    if pointer!((*t).tp_getattro) != shims.slots.getattr
        || type_lookup(t, known.name_getattribute) != type_lookup(object, known.name_getattribute)
        || !type_lookup(t, name).is_null()
        || !polymorphic::instance_lacks(owner, name)
    {
        return Found::NONE;
    }
    Found { kind: if is_call { Kind::HookCallable } else { Kind::Hook }, function: method(t, known.name_getattr, 2) }
}

unsafe fn find_store(t: *mut PyTypeObject, name: *mut PyObject) -> Found {
    let Some(Shims { slots, names, .. }) = shims() else { return Found::NONE };
    let object = &raw const ffi::PyBaseObject_Type;
    if pointer!((*t).tp_setattro) != pointer!((*object).tp_setattro) {
        return Found::NONE;
    }
    let descriptor = type_lookup(t, name);
    if descriptor.is_null() {
        return Found::NONE;
    }
    let kind = ty(descriptor);
    if is_type(descriptor, &raw mut PyProperty_Type) {
        let setter = (*descriptor.cast::<PropertyObject>()).prop_set;
        return Found { kind: Kind::PropertySet, function: takes(setter, 2, 0) };
    }
    if pointer!((*kind).tp_descr_set) != slots.set {
        return Found::NONE;
    }
    Found { kind: Kind::Set, function: method(kind, names.set, 3) }
}

/// The generator function (borrowed) that is an object's `__iter__`, if it is one. What it makes is an iterator, so nothing is left to be done
/// when it returns, and it needs no shim: its frame is pushed instead of asking C code for an iterator.
pub unsafe fn iter(s: State, iterable: *mut PyObject) -> *mut PyFunctionObject {
    let t = ty(iterable);
    if !has_feature(t, TPFLAGS_HEAPTYPE) {
        return ptr::null_mut();
    }
    let Some(shims) = shims() else { return ptr::null_mut() };
    if pointer!((*t).tp_iter) != shims.slots.iter || !s.hook_is_ours() {
        return ptr::null_mut();
    }
    simple(t, shims.names.iter, 1, CO_GENERATOR)
}

/// The functions (borrowed) that BEFORE_WITH finds as `__enter__` and `__exit__`, BEFORE_ASYNC_WITH as `__aenter__` (a coroutine function) and
/// `__aexit__`, in the class of the context manager on top of the stack; nulls if they are something else. There is nothing to be done when the first one
/// returns, so it needs no shim: its frame is pushed, with the bound `__exit__` on the stack below its result.
pub unsafe fn manager(s: State) -> [*mut PyFunctionObject; 2] {
    const NONE: [*mut PyFunctionObject; 2] = [ptr::null_mut(); 2];
    let t = ty(s.peek(1));
    if !(has_feature(t, TPFLAGS_HEAPTYPE) && s.hook_is_ours()) {
        return NONE;
    }
    let known = s.known();
    let (enter, exit, kind) = if (*s.pc).op == op::BEFORE_ASYNC_WITH {
        (known.name_aenter, known.name_aexit, CO_COROUTINE)
    } else {
        (known.name_enter, known.name_exit, 0)
    };
    let enter = simple(t, enter, 1, kind);
    let exit = type_lookup(t, exit);
    if enter.is_null() || exit.is_null() || !is_type(exit, &raw mut PyFunction_Type) {
        return NONE;
    }
    [enter, exit.cast()]
}

/// The function (borrowed) that a CALL with `n` arguments on the stack calls if the callable, which has no receiver, is an instance of a class
/// with `__call__` in Python; else null.
pub unsafe fn callable(s: State, n: usize) -> *mut PyFunctionObject {
    let Some(shims) = shims() else { return ptr::null_mut() };
    let t = ty(s.peek(n + 2));
    if pointer!((*t).tp_call) != shims.slots.call
        || !s.peek(n + 1).is_null()
        || !(has_feature(t, TPFLAGS_HEAPTYPE) && s.hook_is_ours())
        || has_feature(t, ffi::Py_TPFLAGS_HAVE_VECTORCALL)
    {
        return ptr::null_mut();
    }
    let found = type_lookup(t, shims.names.call);
    let is_plain = !found.is_null()
        && is_type(found, &raw mut PyFunction_Type)
        && (*found.cast::<PyFunctionObject>()).vectorcall.map_or(ptr::null(), |f| f as *const c_void)
            == s.known().function_vectorcall;
    if is_plain { found.cast() } else { ptr::null_mut() }
}
