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
//! Only where the first thing that CPython would do is call a certain method, a plain function with just so many parameters. Which one that is, and with
//! which shim it is called, `find.rs` says, to both tiers. What C code does with the result that a shim cannot do is in `rest.rs`. A row of the
//! table says which operands shim and method get.
//!
//! # Where the result goes
//! Behind the instruction as a rule. If something is to be done with it there, an instruction of ours waits for it in a cache word: see
//! `code.rs`.

use crate::code::{self, CodeState};
use crate::table::op;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_int, c_void};
use core::ptr;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

mod enter;
mod find;
mod instances;
mod rest;

pub use enter::attribute_name;
pub use find::*;
pub(crate) use instances::{enter_initializer, enter_initializer_unpacked, enter_initializer_with_names};
pub use instances::{initialized, initialized_unpacked, initializer, instance_shim, is_called_as_type};
pub use rest::{is_length, usable_hash};

const SOURCE: &CStr = {
    match CStr::from_bytes_with_nul(concat!(include_str!("shims.py"), "\0").as_bytes()) {
        Ok(source) => source,
        Err(_) => panic!("the source holds no null"),
    }
};

/// What a shim or a method gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    /// The item of the stack so many from the top.
    Item(usize),
    /// The instruction's argument, an int.
    Argument,
    /// What the class of the owner, on top of the stack, has under the instruction's name.
    Descriptor,
    /// That class.
    Class,
    /// The name.
    Name,
    /// Nothing yet.
    Unset,
}
use Operand::{Argument, Class, Descriptor, Item, Name, Unset};

/// A row of the table of shims.
#[derive(Debug)]
pub struct Row {
    /// The function's name in the source.
    name: &'static CStr,
    /// How many items the instruction pops.
    pub pops: usize,
    /// The shim's first locals. It takes the items over, and drops them in this order in the end.
    pub own: &'static [Operand],
    /// The method's arguments.
    pub args: &'static [Operand],
    /// Where an instruction of ours waits for the result, in words behind the instruction; 0 if none does.
    pub waits: usize,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $pops:literal, [$($own:expr),*], [$($arg:expr),*] $(, waits $waits:literal)?;)*) => {
        /// Which shim.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(usize)]
        pub enum Kind { $($(#[$doc])* $kind),* }

        /// The rows, by kind.
        pub static ROWS: [Row; COUNT] = [
            $(Row { name: $name, pops: $pops, own: &[$($own),*], args: &[$($arg),*], waits: 0 $(+ $waits)? }),*
        ];

        const COUNT: usize = [$($name),*].len();

        /// Handlers that enter the shim and on top of it the method that is the payload; the operands are on the stack, and the instruction is
        /// saved.
        mod entries {
            use super::{ROWS, Kind};
            use hotspur_cpython_sys::PyFunctionObject;
            $crate::handler! { $($kind(s, method: usize) {
                s.enter_shim::<{ Kind::$kind as usize }>(method as *mut PyFunctionObject)
            })* }

            pub(super) static ENTRIES: [crate::dispatch::Handler; ROWS.len()] = [$($kind),*];
        }
    };
}

kinds! {
    /// BINARY_OP: the left operand's method.
    Operator = c"operator", 2, [Item(2), Item(1), Argument], [Item(2), Item(1)];
    /// BINARY_OP: the right operand's, the left one having none.
    Reflected = c"reflected", 2, [Item(2), Item(1), Argument], [Item(1), Item(2)];
    /// BINARY_OP: the left operand's method for the operator in place.
    InPlace = c"in_place", 2, [Item(2), Item(1), Argument], [Item(2), Item(1)];
    /// CALL of `other_operand` by the shim of an operator.
    OtherOperand = c"reflected", 5, [Item(3), Item(2), Item(1), Item(5)], [Item(2), Item(3)];
    /// UNARY_NEGATIVE, UNARY_INVERT.
    Unary = c"passed", 1, [Item(1)], [Item(1)];
    /// COMPARE_OP.
    Comparison = c"comparison", 2, [Item(2), Item(1), Argument], [Item(2), Item(1)];
    /// COMPARE_OP, with the result converted to a bool.
    ComparisonTruth = c"comparison_truth", 2, [Item(2), Item(1), Argument], [Item(2), Item(1)];
    /// CONTAINS_OP.
    Containment = c"containment", 2, [Item(2), Item(1)], [Item(1), Item(2)];
    /// CONTAINS_OP, inverted.
    NoContainment = c"no_containment", 2, [Item(2), Item(1)], [Item(1), Item(2)];
    /// CONTAINS_OP of a dictionary or set: the item's `__hash__`.
    HashedContainment = c"hashed_containment", 2, [Unset, Item(2), Item(1)], [Item(2)];
    /// CONTAINS_OP, inverted: the same.
    HashedNoContainment = c"hashed_no_containment", 2, [Unset, Item(2), Item(1)], [Item(2)];
    /// BINARY_SUBSCR of a dictionary: the key's `__hash__`.
    HashedItem = c"hashed_item", 2, [Unset, Item(2), Item(1)], [Item(1)];
    /// STORE_SUBSCR.
    Assignment = c"assignment", 3, [Item(3), Item(2), Item(1)], [Item(2), Item(1), Item(3)], waits 1;
    /// TO_BOOL: `__bool__`.
    Truth = c"truth", 1, [Unset, Item(1)], [Item(1)];
    /// TO_BOOL: `__len__`.
    LengthTruth = c"length_truth", 1, [Unset, Item(1)], [Item(1)];
    /// CALL of `bool`: `__bool__`.
    CalledTruth = c"truth", 3, [Unset, Item(1), Item(3)], [Item(1)];
    /// CALL of `bool`: `__len__`.
    CalledLengthTruth = c"length_truth", 3, [Unset, Item(1), Item(3)], [Item(1)];
    /// CALL of `len`.
    Length = c"length", 3, [Unset, Item(1), Item(3)], [Item(1)];
    /// CALL of a function that does nothing but call the method of its argument.
    Passed = c"passed", 3, [Item(1), Item(3)], [Item(1)];
    /// GET_ITER.
    Iterator = c"iterator", 1, [Unset, Item(1)], [Item(1)];
    /// CALL of `iter`.
    CalledIterator = c"iterator", 3, [Unset, Item(1), Item(3)], [Item(1)];
    /// FOR_ITER.
    Next = c"next_item", 0, [], [Item(1)], waits 1;
    /// LOAD_ATTR: a descriptor's `__get__`.
    Get = c"passed", 1, [Descriptor, Item(1)], [Descriptor, Item(1), Class];
    /// LOAD_ATTR: the same, where a call follows.
    GetCallable = c"passed", 1, [Descriptor, Item(1)], [Descriptor, Item(1), Class], waits 9;
    /// LOAD_ATTR of a property, where a call follows.
    PropertyCallable = c"passed", 1, [Descriptor, Item(1)], [Item(1)], waits 9;
    /// LOAD_ATTR: `__getattr__`.
    Hook = c"passed", 1, [Item(1)], [Item(1), Name];
    /// LOAD_ATTR: the same, where a call follows.
    HookCallable = c"passed", 1, [Item(1)], [Item(1), Name], waits 9;
    /// STORE_ATTR: a descriptor's `__set__`.
    Set = c"assignment", 2, [Descriptor, Item(2), Item(1)], [Descriptor, Item(1), Item(2)], waits 4;
    /// STORE_ATTR: a property's setter.
    PropertySet = c"assignment", 2, [Descriptor, Item(2), Item(1)], [Item(1), Item(2)], waits 4;
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
    in_place: *mut PyObject,
    slots: [*const c_void; 2],
    /// As error messages call it, and its in-place variant.
    symbols: [&'static CStr; 2],
}

/// Slot functions that call what a class defines in Python, by what they stand for.
struct Slots {
    richcompare: *const c_void,
    contains: *const c_void,
    assign: *const c_void,
    call: *const c_void,
    iter: *const c_void,
    next: *const c_void,
    bool: *const c_void,
    length: [*const c_void; 2],
    negative: *const c_void,
    invert: *const c_void,
    absolute: *const c_void,
    hash: *const c_void,
    get: *const c_void,
    set: *const c_void,
    getattr: *const c_void,
}

macro_rules! names {
    ($($field:ident = $name:literal;)*) => {
        /// Names of methods.
        struct Names { $($field: *mut PyObject),* }

        impl Names {
            unsafe fn new() -> Option<Names> {
                Some(Names { $($field: intern($name)?),* })
            }
        }
    };
}

names! {
    contains = c"__contains__";
    setitem = c"__setitem__";
    call = c"__call__";
    iter = c"__iter__";
    next = c"__next__";
    bool = c"__bool__";
    len = c"__len__";
    negative = c"__neg__";
    invert = c"__invert__";
    absolute = c"__abs__";
    hash = c"__hash__";
    get = c"__get__";
    set = c"__set__";
}

/// Built-in functions and types that call a method of their only argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Function {
    Len,
    Next,
    Abs,
    Iter,
    Bool,
}

const FUNCTIONS: [(Function, &CStr); 5] = [
    (Function::Len, c"len"),
    (Function::Next, c"next"),
    (Function::Abs, c"abs"),
    (Function::Iter, c"iter"),
    (Function::Bool, c"bool"),
];

struct Shims {
    shims: [Shim; COUNT],
    /// CALL_KW of a class.
    instance: Shim,
    operators: [Operator; OPERATORS.len()],
    comparisons: [*mut PyObject; 6],
    slots: Slots,
    names: Names,
    functions: [*mut PyObject; FUNCTIONS.len()],
    /// What shims call that the tiers know.
    other_operand: *mut PyObject,
    checked_iterator: *mut PyObject,
    checked_length: *mut PyObject,
    is_in: *mut PyObject,
    item_of: *mut PyObject,
    /// What the shim of FOR_ITER returns instead of an item.
    exhausted: *mut PyObject,
    dealloc: *const c_void,
}

struct Global(UnsafeCell<Option<Shims>>);
// SAFETY: written once by `initialize`, otherwise read with the GIL held.
unsafe impl Sync for Global {}
static SHIMS: Global = Global(UnsafeCell::new(None));

/// By the argument of BINARY_OP (`Include/opcode.h`): the methods, and the symbols. `pow` takes three operands and has rules of its own: it has no row here.
const OPERATORS: [Option<([&CStr; 3], [&CStr; 2])>; 13] = [
    Some(([c"__add__", c"__radd__", c"__iadd__"], [c"+", c"+="])),
    Some(([c"__and__", c"__rand__", c"__iand__"], [c"&", c"&="])),
    Some(([c"__floordiv__", c"__rfloordiv__", c"__ifloordiv__"], [c"//", c"//="])),
    Some(([c"__lshift__", c"__rlshift__", c"__ilshift__"], [c"<<", c"<<="])),
    Some(([c"__matmul__", c"__rmatmul__", c"__imatmul__"], [c"@", c"@="])),
    Some(([c"__mul__", c"__rmul__", c"__imul__"], [c"*", c"*="])),
    Some(([c"__mod__", c"__rmod__", c"__imod__"], [c"%", c"%="])),
    Some(([c"__or__", c"__ror__", c"__ior__"], [c"|", c"|="])),
    None,
    Some(([c"__rshift__", c"__rrshift__", c"__irshift__"], [c">>", c">>="])),
    Some(([c"__sub__", c"__rsub__", c"__isub__"], [c"-", c"-="])),
    Some(([c"__truediv__", c"__rtruediv__", c"__itruediv__"], [c"/", c"/="])),
    Some(([c"__xor__", c"__rxor__", c"__ixor__"], [c"^", c"^="])),
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

/// What the shim of FOR_ITER returns when there is no further item; an object that nobody else has.
pub unsafe fn exhausted() -> *mut PyObject {
    shims().map_or(ptr::null_mut(), |shims| shims.exhausted)
}

/// The function that shims call to have an iterator checked, which it returns.
pub unsafe fn checked_iterator() -> *mut PyObject {
    shims().map_or(ptr::null_mut(), |shims| shims.checked_iterator)
}

/// The same for a length.
pub unsafe fn checked_length() -> *mut PyObject {
    shims().map_or(ptr::null_mut(), |shims| shims.checked_length)
}

/// The function that shims call to look for an item in a dictionary or set, which gets these and what the item's `__hash__` has returned.
pub unsafe fn is_in() -> *mut PyObject {
    shims().map_or(ptr::null_mut(), |shims| shims.is_in)
}

/// The same for the value under a key of a dictionary.
pub unsafe fn item_of() -> *mut PyObject {
    shims().map_or(ptr::null_mut(), |shims| shims.item_of)
}

// -- setting up

/// Method definitions, which function objects refer to.
struct Definitions([ffi::PyMethodDef; 10]);
// SAFETY: never written.
unsafe impl Sync for Definitions {}
static DEFINITIONS: Definitions = Definitions([
    definition(c"other_operand", rest::other_operand),
    definition(c"no_operand", rest::no_operand),
    definition(c"not_in_place", rest::not_in_place),
    definition(c"other_comparison", rest::other_comparison),
    definition(c"no_bool", rest::no_bool),
    definition(c"checked_length", rest::checked_length),
    definition(c"checked_iterator", rest::checked_iterator),
    definition(c"no_none", rest::no_none),
    definition(c"is_in", rest::is_in),
    definition(c"item_of", rest::item_of),
]);

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

unsafe fn intern(name: &CStr) -> Option<*mut PyObject> {
    let name = ffi::PyUnicode_InternFromString(name.as_ptr());
    (!name.is_null()).then_some(name)
}

unsafe fn make(globals: *mut PyObject) -> Option<Shims> {
    let mut shims = [Shim { function: ptr::null_mut(), cs: ptr::null_mut(), call: 0 }; COUNT];
    for (shim, row) in shims.iter_mut().zip(&ROWS) {
        *shim = make_shim(ffi::PyDict_GetItemString(globals, row.name.as_ptr()))?;
    }
    let class = ffi::PyDict_GetItemString(globals, c"Operators".as_ptr()).cast::<PyTypeObject>();
    if class.is_null() {
        return None;
    }
    let none = Operator {
        name: ptr::null_mut(),
        reflected: ptr::null_mut(),
        in_place: ptr::null_mut(),
        slots: [ptr::null(); 2],
        symbols: [c""; 2],
    };
    let mut operators = [none; OPERATORS.len()];
    for (i, row) in OPERATORS.iter().enumerate() {
        let Some(([name, reflected, in_place], symbols)) = *row else { continue };
        operators[i] = Operator {
            name: intern(name)?,
            reflected: intern(reflected)?,
            in_place: intern(in_place)?,
            slots: find::operator_slots(class, i),
            symbols,
        };
    }
    let mut comparisons = [ptr::null_mut(); 6];
    for (name, row) in comparisons.iter_mut().zip(COMPARISONS) {
        *name = intern(row.0)?;
    }
    let builtins = ffi::PyEval_GetBuiltins();
    let mut functions = [ptr::null_mut(); FUNCTIONS.len()];
    for (function, row) in functions.iter_mut().zip(FUNCTIONS) {
        *function = ffi::PyDict_GetItemString(builtins, row.1.as_ptr());
        xincref(*function);
    }
    // The globals, which stay, have them.
    let own = |name: &CStr| {
        let found = ffi::PyDict_GetItemString(globals, name.as_ptr());
        if !found.is_null() {
            make_immortal(found);
        }
        found
    };
    Some(Shims {
        shims,
        instance: make_shim(ffi::PyDict_GetItemString(globals, c"instance".as_ptr()))?,
        operators,
        comparisons,
        slots: find::slots_of(class),
        names: Names::new()?,
        functions,
        other_operand: own(c"other_operand"),
        checked_iterator: own(c"checked_iterator"),
        checked_length: own(c"checked_length"),
        is_in: own(c"is_in"),
        item_of: own(c"item_of"),
        exhausted: own(c"exhausted"),
        dealloc: (*class).tp_dealloc.map_or(ptr::null(), |f| f as *const c_void),
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
    let call = (0..(*cs).len as usize).find(|&i| (*CodeState::words(cs).add(i)).op == op::CALL)?;
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
