//! The table of helpers: functions of the host that `call_helper` calls.
//!
//! A row gives the kinds of the arguments (as in the table of ops: `own` is stolen), the result, and the effects. The
//! last kind may be `objs`: any number of further borrowed objects. A helper that raises yields null, or a negative
//! number, with an exception set; stolen arguments are gone in that case too.

use crate::effects::{Effects, MemorySet as M};
use crate::fields::OperandKind;
use crate::types::{ResultKind, Type};

/// What the table says of a helper.
#[derive(Debug, Clone, Copy)]
pub struct HelperInfo {
    /// Name in the text format.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// The arguments that it always has.
    pub args: &'static [OperandKind],
    /// Whether more borrowed objects may follow.
    pub variadic: bool,
    /// What it yields.
    pub result: ResultKind,
    /// What else it does.
    pub effects: Effects,
}

macro_rules! arg {
    (obj) => {
        OperandKind::Borrowed
    };
    (own) => {
        OperandKind::Stolen
    };
    (i64) => {
        OperandKind::Unboxed(Type::I64)
    };
    (f64) => {
        OperandKind::Unboxed(Type::F64)
    };
}

macro_rules! helpers {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident($($arg:ident),* $(; $rest:ident)?) -> $result:ident,
        $($effect:ident($($e:expr),*)).*;)*) => {
        /// A helper.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Helper { $($(#[doc = $doc])+ $variant),* }

        impl Helper {
            /// Every helper.
            pub const ALL: &[Helper] = &[$(Helper::$variant),*];

            /// Its row.
            pub const fn info(self) -> &'static HelperInfo {
                match self {
                    $(Helper::$variant => const { &HelperInfo {
                        name: stringify!($name),
                        doc: concat!($($doc, "\n"),+),
                        args: &[$(arg!($arg)),*],
                        variadic: [$(stringify!($rest),)? ""].len() == 2,
                        result: ResultKind::$result,
                        effects: Effects::NONE$(.$effect($($e),*))*,
                    } },)*
                }
            }
        }
    };
}

impl Helper {
    /// The helper with this name.
    pub fn from_name(name: &str) -> Option<Helper> {
        Helper::ALL.iter().copied().find(|h| h.info().name == name)
    }
}

helpers! {
    /// A binary operator on objects. The number is CPython's argument of BINARY_OP (`NB_ADD` = 0, ...).
    BinaryOp = binary_op(obj, obj, i64) -> New, escapes().raises();
    /// `-x` as CPython's UNARY_NEGATIVE.
    UnaryNegative = unary_negative(obj) -> New, escapes().raises();
    /// A rich comparison. The number is CPython's (`Py_LT` = 0, LE, EQ, NE, GT, GE).
    CompareOp = compare_op(obj, obj, i64) -> New, escapes().raises();
    /// Whether the first operand contains the second: 0, 1, or negative.
    ContainsOp = contains_op(obj, obj) -> I64, escapes().raises();
    /// The truth of an object: 0, 1, or negative.
    IsTrue = is_true(obj) -> I64, escapes().raises();
    /// `len(x)`, or negative.
    Length = length(obj) -> I64, escapes().raises();
    /// `x[k]`.
    GetItem = get_item(obj, obj) -> New, escapes().raises();
    /// `x[k] = v`: 0, or negative.
    SetItem = set_item(obj, obj, obj) -> I64, escapes().raises();
    /// `x.name`; the name is the second argument.
    GetAttr = get_attr(obj, obj) -> New, escapes().raises();
    /// `x.name = v`: 0, or negative.
    SetAttr = set_attr(obj, obj, obj) -> I64, escapes().raises();
    /// `iter(x)`.
    GetIter = get_iter(obj) -> New, escapes().raises();
    /// Calls the first argument with the second as its first positional argument unless that is null, then the rest.
    Call = call(obj, obj; objs) -> New, escapes().raises();
    /// Appends to exactly a list: 0, or negative when memory is short.
    ListAppend = list_append(obj, own) -> I64, reads(M::LIST).writes(M::LIST).raises();
    /// Concatenates two exact strings. Null with an exception when memory is short.
    StrConcat = str_concat(obj, obj) -> New, allocates().raises();
    /// Whether two exact strings are equal: 0 or 1.
    StrEq = str_eq(obj, obj) -> I64, pure();
    /// The sum of two exact ints of any size. Null with an exception when memory is short.
    IntAdd = int_add(obj, obj) -> New, allocates().raises();
    /// `x ** y` for doubles where that is a double (the caller has excluded the domain errors of Python's `**`).
    FloatPow = float_pow(f64, f64) -> F64, pure();
}
