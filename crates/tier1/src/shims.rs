//! Shims: small Python functions in whose frames the methods run that operators of Python classes call.
//!
//! For `a + b`, CPython's `BINARY_OP` goes through C: the type's slot looks `__add__` up, calls it, and looks whether it
//! answered NotImplemented. A call through C is a new activation: slow, a border for traces, and C stack. Here a *shim frame* takes
//! the place of that C code. Tier 1 pushes it, and the method's frame on top of it; when the method returns, the shim's bytecode
//! goes on behind its (never executed) call and does what C would do with the result. (CPython itself does so for
//! `__init__`.) To tier 2 it is a frame like others, so the whole operator becomes part of the trace.
//!
//! # Nobody sees them
//! A frame that has not got to the first traceable instruction of its code is *incomplete* in CPython: tracebacks, `sys._getframe`,
//! `f_back`, the C API pass over it. That first instruction of a shim is set beyond its end. So it has no events either. Shims
//! do not count for the recursion limit ([`crate::code::CodeState::counted`]): stock has no frame there.
//!
//! # When
//! Only where the first thing that CPython would do is call the left operand's (the container's) method, a plain function of two (three)
//! arguments; [`binary`] and its siblings say so. What happens after NotImplemented is written once more here ([`other_operand`],
//! [`other_comparison`]), after `binary_op1` and `slot_nb_*`, and `do_richcompare` (`Objects/abstract.c`, `typeobject.c`,
//! `object.c`).

use crate::code::{self, CodeState};
use crate::dispatch::{Ret, State};
use crate::frames;
use crate::table::op;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_int, c_void};
use core::ptr;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

const SOURCE: &CStr = {
    match CStr::from_bytes_with_nul(concat!(include_str!("shims.py"), "\0").as_bytes()) {
        Ok(source) => source,
        Err(_) => panic!("the source holds no null"),
    }
};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal;)*) => {
        /// Which shim.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(usize)]
        pub enum Kind { $($(#[$doc])* $kind),* }

        /// The functions' names in the source, by kind.
        const NAMES: &[&CStr] = &[$($name),*];
    };
}

kinds! {
    /// BINARY_OP.
    Operator = c"operator";
    /// COMPARE_OP.
    Comparison = c"comparison";
    /// COMPARE_OP, with the result converted to a bool.
    ComparisonTruth = c"comparison_truth";
    /// CONTAINS_OP.
    Containment = c"containment";
    /// CONTAINS_OP, inverted.
    NoContainment = c"no_containment";
    /// STORE_SUBSCR.
    Assignment = c"assignment";
}

/// A shim.
#[derive(Clone, Copy, Debug)]
pub struct Shim {
    /// The function; immortal, as its code is.
    pub function: *mut PyFunctionObject,
    /// Its code.
    pub cs: *mut CodeState,
    /// Where its call is.
    pub call: usize,
}

/// Names of methods, and the slot functions that call what a class defines under them, by the argument of BINARY_OP.
#[derive(Clone, Copy)]
struct Operator {
    name: *mut PyObject,
    reflected: *mut PyObject,
    slot: *const c_void,
    /// As error messages call it, and its in-place variant.
    symbols: [&'static CStr; 2],
}

struct Shims {
    shims: [Shim; NAMES.len()],
    operators: [Operator; OPERATORS.len()],
    comparisons: [*mut PyObject; 6],
    richcompare: *const c_void,
    contains: *const c_void,
    name_contains: *mut PyObject,
    assign: *const c_void,
    name_setitem: *mut PyObject,
    dealloc: *const c_void,
    call: *const c_void,
    name_call: *mut PyObject,
    iter: *const c_void,
    name_iter: *mut PyObject,
}

struct Global(UnsafeCell<Option<Shims>>);
// SAFETY: written once by `initialize`, otherwise read with the GIL held.
unsafe impl Sync for Global {}
static SHIMS: Global = Global(UnsafeCell::new(None));

/// By the argument of BINARY_OP (`Include/opcode.h`). `pow` takes three operands and has rules of its own: it has no row here.
const OPERATORS: [Option<(&CStr, &CStr, [&CStr; 2])>; 13] = [
    Some((c"__add__", c"__radd__", [c"+", c"+="])),
    Some((c"__and__", c"__rand__", [c"&", c"&="])),
    Some((c"__floordiv__", c"__rfloordiv__", [c"//", c"//="])),
    Some((c"__lshift__", c"__rlshift__", [c"<<", c"<<="])),
    Some((c"__matmul__", c"__rmatmul__", [c"@", c"@="])),
    Some((c"__mul__", c"__rmul__", [c"*", c"*="])),
    Some((c"__mod__", c"__rmod__", [c"%", c"%="])),
    Some((c"__or__", c"__ror__", [c"|", c"|="])),
    None,
    Some((c"__rshift__", c"__rrshift__", [c">>", c">>="])),
    Some((c"__sub__", c"__rsub__", [c"-", c"-="])),
    Some((c"__truediv__", c"__rtruediv__", [c"/", c"/="])),
    Some((c"__xor__", c"__rxor__", [c"^", c"^="])),
];

/// By comparison (`Py_LT`, ...): the method, and the symbol.
const COMPARISONS: [(&CStr, &CStr); 6] = [
    (c"__lt__", c"<"),
    (c"__le__", c"<="),
    (c"__eq__", c"=="),
    (c"__ne__", c"!="),
    (c"__gt__", c">"),
    (c"__ge__", c">="),
];

unsafe fn shims() -> Option<&'static Shims> {
    (*SHIMS.0.get()).as_ref()
}

/// A shim; none before [`initialize`].
pub unsafe fn shim(kind: Kind) -> Option<&'static Shim> {
    Some(&shims()?.shims[kind as usize])
}

/// How instances of classes written in Python are freed (`subtype_dealloc`).
pub unsafe fn class_dealloc() -> *const c_void {
    shims().map_or(ptr::null(), |shims| shims.dealloc)
}

/// The slot of a type for an operator, and for its in-place variant.
unsafe fn slots(t: *mut PyTypeObject, operator: usize) -> [*const c_void; 2] {
    let n = (*t).tp_as_number;
    if n.is_null() {
        return [ptr::null(); 2];
    }
    macro_rules! pair {
        ($a:ident, $b:ident) => {
            [(*n).$a.map_or(ptr::null(), |f| f as *const c_void), (*n).$b.map_or(ptr::null(), |f| f as *const c_void)]
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

unsafe fn richcompare_slot(t: *mut PyTypeObject) -> *const c_void {
    (*t).tp_richcompare.map_or(ptr::null(), |f| f as *const c_void)
}

unsafe fn contains_slot(t: *mut PyTypeObject) -> *const c_void {
    let sequence = (*t).tp_as_sequence;
    if sequence.is_null() { ptr::null() } else { (*sequence).sq_contains.map_or(ptr::null(), |f| f as *const c_void) }
}

unsafe fn assign_slot(t: *mut PyTypeObject) -> *const c_void {
    let mapping = (*t).tp_as_mapping;
    if mapping.is_null() {
        return ptr::null();
    }
    (*mapping).mp_ass_subscript.map_or(ptr::null(), |f| f as *const c_void)
}

unsafe fn call_slot(t: *mut PyTypeObject) -> *const c_void {
    (*t).tp_call.map_or(ptr::null(), |f| f as *const c_void)
}

unsafe fn iter_slot(t: *mut PyTypeObject) -> *const c_void {
    (*t).tp_iter.map_or(ptr::null(), |f| f as *const c_void)
}

/// The plain function with so many positional arguments, and no other parameters, that a type has under this name.
unsafe fn method(s: State, t: *mut PyTypeObject, name: *mut PyObject, count: c_int) -> *mut PyFunctionObject {
    simple(s, t, name, count, 0)
}

/// [`method`], of this kind: 0, or CO_GENERATOR.
unsafe fn simple(
    s: State,
    t: *mut PyTypeObject,
    name: *mut PyObject,
    count: c_int,
    kind: c_int,
) -> *mut PyFunctionObject {
    let found = _PyType_Lookup(t, name);
    if found.is_null() || !is_type(found, &raw mut PyFunction_Type) {
        return ptr::null_mut();
    }
    let function = found.cast::<PyFunctionObject>();
    let code = (*function).func_code.cast::<PyCodeObject>();
    let other = CO_VARARGS | CO_VARKEYWORDS | CO_GENERATOR | CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_ASYNC_GENERATOR;
    let is_simple = (*code).co_flags & (CO_OPTIMIZED | other) == CO_OPTIMIZED | kind
        && (*code).co_kwonlyargcount == 0
        && (*code).co_argcount == count;
    let is_plain = (*function).vectorcall.map_or(ptr::null(), |f| f as *const c_void) == s.known().function_vectorcall;
    if is_simple && is_plain { function } else { ptr::null_mut() }
}

/// Whether the type may be a class written in Python, and calls are ours to make.
unsafe fn may_enter(s: State, t: *mut PyTypeObject) -> bool {
    has_feature(t, TPFLAGS_HEAPTYPE) && s.hook_is_ours()
}

/// The method (borrowed) that BINARY_OP with this argument calls first, if a shim can do what follows.
pub unsafe fn binary(s: State, left: *mut PyObject, right: *mut PyObject) -> *mut PyFunctionObject {
    let oparg = s.oparg();
    let (Some(shims), l, r) = (shims(), ty(left), ty(right)) else { return ptr::null_mut() };
    let operator = oparg % OPERATORS.len();
    let row = &shims.operators[operator];
    let [slot, in_place] = slots(l, operator);
    let sequence = (*l).tp_as_sequence;
    let is_sequence = !sequence.is_null() && ((*sequence).sq_concat.is_some() || (*sequence).sq_repeat.is_some());
    if row.slot.is_null()
        || slot != row.slot
        || !may_enter(s, l)
        || is_sequence
        || oparg >= OPERATORS.len() && !in_place.is_null()
        // The right operand's comes first.
        || l != r && ffi::PyType_IsSubtype(r, l) != 0
    {
        return ptr::null_mut();
    }
    method(s, l, row.name, 2)
}

/// The same for COMPARE_OP.
pub unsafe fn compare(s: State, left: *mut PyObject, right: *mut PyObject) -> *mut PyFunctionObject {
    let (Some(shims), l, r) = (shims(), ty(left), ty(right)) else { return ptr::null_mut() };
    if richcompare_slot(l) != shims.richcompare || !may_enter(s, l) || l != r && ffi::PyType_IsSubtype(r, l) != 0 {
        return ptr::null_mut();
    }
    method(s, l, shims.comparisons[s.oparg() >> 5], 2)
}

/// The same for CONTAINS_OP.
pub unsafe fn contains(s: State, container: *mut PyObject) -> *mut PyFunctionObject {
    let Some(shims) = shims() else { return ptr::null_mut() };
    let t = ty(container);
    if contains_slot(t) != shims.contains || !may_enter(s, t) {
        return ptr::null_mut();
    }
    method(s, t, shims.name_contains, 2)
}

/// The same for STORE_SUBSCR.
pub unsafe fn assign(s: State, container: *mut PyObject) -> *mut PyFunctionObject {
    let Some(shims) = shims() else { return ptr::null_mut() };
    let t = ty(container);
    if assign_slot(t) != shims.assign || !may_enter(s, t) {
        return ptr::null_mut();
    }
    method(s, t, shims.name_setitem, 3)
}

/// The generator function (borrowed) that is an object's `__iter__`, if it is one. What it makes is an iterator, so nothing is left to be done
/// when it returns, and it needs no shim: its frame is pushed instead of asking C code for an iterator.
pub unsafe fn iter(s: State, iterable: *mut PyObject) -> *mut PyFunctionObject {
    let t = ty(iterable);
    if !has_feature(t, TPFLAGS_HEAPTYPE) {
        return ptr::null_mut();
    }
    let Some(shims) = shims() else { return ptr::null_mut() };
    if iter_slot(t) != shims.iter || !may_enter(s, t) {
        return ptr::null_mut();
    }
    simple(s, t, shims.name_iter, 1, CO_GENERATOR)
}

/// The functions (borrowed) that BEFORE_WITH finds as `__enter__` and `__exit__`, BEFORE_ASYNC_WITH as `__aenter__` (a coroutine function) and
/// `__aexit__`, in the class of the context manager on top of the stack; nulls if they are something else. There is nothing to be done when the first one
/// returns, so it needs no shim: its frame is pushed, with the bound `__exit__` on the stack below its result.
pub unsafe fn manager(s: State) -> [*mut PyFunctionObject; 2] {
    const NONE: [*mut PyFunctionObject; 2] = [ptr::null_mut(); 2];
    let t = ty(s.peek(1));
    if !may_enter(s, t) {
        return NONE;
    }
    let known = s.known();
    let (enter, exit, kind) = if (*s.pc).op == op::BEFORE_ASYNC_WITH {
        (known.name_aenter, known.name_aexit, CO_COROUTINE)
    } else {
        (known.name_enter, known.name_exit, 0)
    };
    let enter = simple(s, t, enter, 1, kind);
    let exit = _PyType_Lookup(t, exit);
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
    if call_slot(t) != shims.call
        || !s.peek(n + 1).is_null()
        || !may_enter(s, t)
        || has_feature(t, ffi::Py_TPFLAGS_HAVE_VECTORCALL)
    {
        return ptr::null_mut();
    }
    let found = _PyType_Lookup(t, shims.name_call);
    let is_plain = !found.is_null()
        && is_type(found, &raw mut PyFunction_Type)
        && (*found.cast::<PyFunctionObject>()).vectorcall.map_or(ptr::null(), |f| f as *const c_void)
            == s.known().function_vectorcall;
    if is_plain { found.cast() } else { ptr::null_mut() }
}

/// Which shim COMPARE_OP with this argument uses.
pub fn comparison_kind(oparg: usize) -> Kind {
    if oparg & 16 != 0 { Kind::ComparisonTruth } else { Kind::Comparison }
}

/// Which shim CONTAINS_OP with this argument uses.
pub fn containment_kind(oparg: usize) -> Kind {
    if oparg & 1 != 0 { Kind::NoContainment } else { Kind::Containment }
}

/// The first three values of a frame; null where there is none.
pub(crate) type Three = (*mut PyObject, *mut PyObject, *mut PyObject);

/// Writes them, one by one: see [`frames::push_unchecked`].
#[inline(always)]
unsafe fn write(frame: *mut InterpreterFrame, values: Three, count: usize) {
    let locals = frame_locals(frame);
    locals.write_volatile(values.0);
    locals.add(1).write_volatile(values.1);
    if count > 2 {
        locals.add(2).write_volatile(values.2);
    }
}

impl State {
    /// Pops `pops` operands, pushes the frame of a shim, which takes over the references `own` as its first locals, and on it that
    /// of the method, with new references to the `N` arguments; then executes the method. The instruction must be saved.
    #[inline(always)]
    pub(crate) unsafe fn enter_shim<const N: usize>(
        mut self,
        kind: Kind,
        pops: usize,
        own: Three,
        method: *mut PyFunctionObject,
        args: Three,
        return_offset: usize,
    ) -> Ret {
        let shim: *const Shim = &raw const (*SHIMS.0.get()).as_ref().unwrap_unchecked().shims[kind as usize];
        let ts = self.tstate();
        let frame = frames::push(ts, (*shim).function, 3);
        if frame.is_null() {
            return self.error();
        }
        let callee = frames::push(ts, method, N);
        if callee.is_null() {
            return self.tail_with(drop_shim, frame as usize);
        }
        self.shrink(pops);
        self.save_sp();
        (*self.frame).return_offset = return_offset as u16;
        write(frame, own, 3);
        (*frame).previous = self.frame;
        incref(method.cast());
        incref(args.0);
        incref(args.1);
        if N > 2 {
            incref(args.2);
        }
        write(callee, args, N);
        let cs = (*shim).cs;
        let sp = frame_locals(frame).add((*(*cs).code).co_nlocalsplus as usize);
        let pc = (*cs).words.add((*shim).call);
        State { pc, sp, frame, cx: self.cx, cs }.enter(callee, usize::from(crate::table::LENGTH[usize::from(op::CALL)]))
    }
}

crate::handler! {
    /// There is no memory for the method's frame; the shim's, the payload, was not filled in yet. The operands are on the stack.
    #[cold]
    drop_shim(s, frame: usize) {
        _PyThreadState_PopFrame(s.tstate(), frame as *mut InterpreterFrame);
        s.error()
    }
}

// -- what follows NotImplemented

unsafe fn is_not_implemented(result: *mut PyObject) -> bool {
    result == ffi::Py_NotImplemented()
}

/// Calls the method that a type has under a name, as a slot does; NotImplemented if there is none.
unsafe fn call_method(receiver: *mut PyObject, name: *mut PyObject, arg: *mut PyObject) -> *mut PyObject {
    let found = _PyType_Lookup(ty(receiver), name);
    if found.is_null() {
        return newref(ffi::Py_NotImplemented());
    }
    if has_feature(ty(found), TPFLAGS_METHOD_DESCRIPTOR) {
        let args = [receiver, arg];
        incref(found);
        let result = ffi::PyObject_Vectorcall(found, args.as_ptr(), 2, ptr::null_mut());
        decref(found);
        return result;
    }
    let bound = match (*ty(found)).tp_descr_get {
        Some(get) => get(found, receiver, ty(receiver).cast()),
        None => newref(found),
    };
    if bound.is_null() {
        return bound;
    }
    let result = ffi::PyObject_CallOneArg(bound, arg);
    decref(bound);
    result
}

/// What an operator is when the left operand's method has answered NotImplemented.
unsafe fn rest_of_operator(left: *mut PyObject, right: *mut PyObject, oparg: usize) -> *mut PyObject {
    let Some(shims) = shims() else { return ptr::null_mut() };
    let operator = oparg % OPERATORS.len();
    let row = &shims.operators[operator];
    let (l, r) = (ty(left), ty(right));
    if l != r {
        let [slot, _] = slots(r, operator);
        let result = if slot == row.slot {
            call_method(right, row.reflected, left)
        } else if slot.is_null() {
            ffi::Py_NotImplemented()
        } else {
            let call: ffi::binaryfunc = core::mem::transmute(slot);
            call(left, right)
        };
        if result.is_null() || !is_not_implemented(result) {
            return result;
        }
    }
    let is_in_place = oparg >= OPERATORS.len();
    const MULTIPLY: usize = 5;
    let sequence = (*r).tp_as_sequence;
    // A left operand with a table of sequence slots (that does not repeat) ends the search of `*=`.
    let may_repeat = operator == MULTIPLY && (!is_in_place || (*l).tp_as_sequence.is_null()) && !sequence.is_null();
    if may_repeat && let Some(repeat) = (*sequence).sq_repeat {
        if ffi::PyIndex_Check(left) == 0 {
            return ffi::PyErr_Format(
                ffi::PyExc_TypeError,
                c"can't multiply sequence by non-int of type '%.200s'".as_ptr(),
                (*l).tp_name,
            );
        }
        let count = ffi::PyNumber_AsSsize_t(left, ffi::PyExc_OverflowError);
        if count == -1 && !ffi::PyErr_Occurred().is_null() {
            return ptr::null_mut();
        }
        return repeat(right, count);
    }
    ffi::PyErr_Format(
        ffi::PyExc_TypeError,
        c"unsupported operand type(s) for %.100s: '%.100s' and '%.100s'".as_ptr(),
        row.symbols[usize::from(is_in_place)].as_ptr(),
        (*l).tp_name,
        (*r).tp_name,
    )
}

/// What a comparison is when the left operand's method has answered NotImplemented.
unsafe fn rest_of_comparison(left: *mut PyObject, right: *mut PyObject, oparg: usize) -> *mut PyObject {
    const REFLECTED: [c_int; 6] = [ffi::Py_GT, ffi::Py_GE, ffi::Py_EQ, ffi::Py_NE, ffi::Py_LT, ffi::Py_LE];
    let comparison = oparg >> 5;
    if let Some(compare) = (*ty(right)).tp_richcompare {
        let result = compare(right, left, REFLECTED[comparison]);
        if result.is_null() || !is_not_implemented(result) {
            return result;
        }
    }
    let equals = |wanted| newref(if (left == right) == wanted { ffi::Py_True() } else { ffi::Py_False() });
    match comparison as c_int {
        ffi::Py_EQ => equals(true),
        ffi::Py_NE => equals(false),
        _ => ffi::PyErr_Format(
            ffi::PyExc_TypeError,
            c"'%s' not supported between instances of '%.100s' and '%.100s'".as_ptr(),
            COMPARISONS[comparison].1.as_ptr(),
            (*ty(left)).tp_name,
            (*ty(right)).tp_name,
        ),
    }
}

unsafe extern "C" fn other_operand(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    rest_of_operator(*args, *args.add(1), long_compact_value(*args.add(2)) as usize)
}

unsafe extern "C" fn other_comparison(_: *mut PyObject, args: *mut *mut PyObject, _: isize) -> *mut PyObject {
    rest_of_comparison(*args, *args.add(1), long_compact_value(*args.add(2)) as usize)
}

// -- setting up

/// Method definitions, which function objects refer to.
struct Definitions([ffi::PyMethodDef; 2]);
// SAFETY: never written.
unsafe impl Sync for Definitions {}
static DEFINITIONS: Definitions =
    Definitions([definition(c"other_operand", other_operand), definition(c"other_comparison", other_comparison)]);

/// What a function object refers to that is to be found under this name.
pub(crate) const fn definition(
    name: &'static CStr,
    function: unsafe extern "C" fn(*mut PyObject, *mut *mut PyObject, isize) -> *mut PyObject,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunctionFast: function },
        ml_flags: ffi::METH_FASTCALL,
        ml_doc: ptr::null(),
    }
}

/// A reference that nobody counts.
unsafe fn make_immortal(object: *mut PyObject) {
    const IMMORTAL: isize = u32::MAX as isize;
    (*object.cast::<isize>()) = IMMORTAL;
}

/// Makes the shims. Without them (the answer is false, and an exception may be set) operators go through C.
///
/// # Safety
/// GIL held; tier 1 is initialized.
pub(crate) unsafe fn initialize() -> bool {
    let globals = execute(SOURCE, &DEFINITIONS.0);
    if globals.is_null() {
        return false;
    }
    let made = make(globals);
    // The functions, which stay, hold it too.
    decref(globals);
    let is_made = made.is_some();
    *SHIMS.0.get() = made;
    is_made
}

/// The globals that a program makes, where these functions are. Null, and an exception may be set, if it fails.
pub(crate) unsafe fn execute(source: &CStr, definitions: &'static [ffi::PyMethodDef]) -> *mut PyObject {
    let globals = ffi::PyDict_New();
    let builtins = ffi::PyEval_GetBuiltins();
    if globals.is_null() || ffi::PyDict_SetItemString(globals, c"__builtins__".as_ptr(), builtins) < 0 {
        return ptr::null_mut();
    }
    for definition in definitions {
        let function = ffi::PyCFunction_NewEx((&raw const *definition).cast_mut(), ptr::null_mut(), ptr::null_mut());
        if function.is_null() || ffi::PyDict_SetItemString(globals, definition.ml_name, function) < 0 {
            return ptr::null_mut();
        }
        decref(function);
    }
    let code = ffi::Py_CompileString(source.as_ptr(), c"<hotspur>".as_ptr(), ffi::Py_file_input);
    if code.is_null() {
        return ptr::null_mut();
    }
    let done = ffi::PyEval_EvalCode(code, globals, globals);
    decref(code);
    if done.is_null() {
        return ptr::null_mut();
    }
    decref(done);
    globals
}

unsafe fn make(globals: *mut PyObject) -> Option<Shims> {
    let mut shims = [Shim { function: ptr::null_mut(), cs: ptr::null_mut(), call: 0 }; NAMES.len()];
    for (shim, name) in shims.iter_mut().zip(NAMES) {
        *shim = make_shim(ffi::PyDict_GetItemString(globals, name.as_ptr()))?;
    }
    let class = ffi::PyDict_GetItemString(globals, c"Operators".as_ptr()).cast::<PyTypeObject>();
    if class.is_null() {
        return None;
    }
    let intern = |name: &CStr| {
        let name = ffi::PyUnicode_InternFromString(name.as_ptr());
        (!name.is_null()).then_some(name)
    };
    let none = Operator { name: ptr::null_mut(), reflected: ptr::null_mut(), slot: ptr::null(), symbols: [c""; 2] };
    let mut operators = [none; OPERATORS.len()];
    for (i, row) in OPERATORS.iter().enumerate() {
        let Some((name, reflected, symbols)) = *row else { continue };
        let [slot, _] = slots(class, i);
        operators[i] = Operator { name: intern(name)?, reflected: intern(reflected)?, slot, symbols };
    }
    let mut comparisons = [ptr::null_mut(); 6];
    for (name, row) in comparisons.iter_mut().zip(COMPARISONS) {
        *name = intern(row.0)?;
    }
    Some(Shims {
        shims,
        operators,
        comparisons,
        richcompare: richcompare_slot(class),
        contains: contains_slot(class),
        name_contains: intern(c"__contains__")?,
        assign: assign_slot(class),
        name_setitem: intern(c"__setitem__")?,
        dealloc: (*class).tp_dealloc.map_or(ptr::null(), |f| f as *const c_void),
        call: call_slot(class),
        name_call: intern(c"__call__")?,
        iter: iter_slot(class),
        name_iter: intern(c"__iter__")?,
    })
}

unsafe fn make_shim(function: *mut PyObject) -> Option<Shim> {
    if function.is_null() {
        return None;
    }
    let function = function.cast::<PyFunctionObject>();
    let code = (*function).func_code.cast::<PyCodeObject>();
    for i in 0..size((*code).co_consts) {
        let constant = tuple_items((*code).co_consts).add(i as usize);
        if *constant == ffi::Py_Ellipsis() {
            *constant = ffi::Py_NotImplemented();
        }
    }
    let cs = hide(code);
    if cs.is_null() {
        return None;
    }
    let call = (0..(*cs).len).find(|&i| (*(*cs).words.add(i)).op == op::CALL)?;
    make_immortal(code.cast());
    make_immortal(function.cast());
    Some(Shim { function, cs, call })
}

/// Makes code a shim's, whose frames nobody sees: see the module's documentation. Null if memory ran out.
pub(crate) unsafe fn hide(code: *mut PyCodeObject) -> *mut CodeState {
    (*code)._co_firsttraceable = c_int::MAX >> 1;
    let cs = code::state_of(code);
    if !cs.is_null() {
        (*cs).counted = 0;
    }
    cs
}
