//! Types of values, and small enumerations that ops have as immediates.

use core::fmt;

/// The type of a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Type {
    /// A reference to a Python object, or null. Whether the superblock owns the reference is a matter of the op that made
    /// the value and of those that consumed it, not of the type.
    Obj,
    /// A signed 64-bit integer.
    I64,
    /// An IEEE double.
    F64,
    /// A truth value.
    Bool,
    /// A raw address, valid until memory of the class it was read from is written.
    Ptr,
}

impl Type {
    /// Every type.
    pub const ALL: [Type; 5] = [Type::Obj, Type::I64, Type::F64, Type::Bool, Type::Ptr];

    /// The name in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            Type::Obj => "obj",
            Type::I64 => "i64",
            Type::F64 => "f64",
            Type::Bool => "bool",
            Type::Ptr => "ptr",
        }
    }

    /// The type with this name.
    pub fn from_name(name: &str) -> Option<Type> {
        Type::ALL.into_iter().find(|t| t.name() == name)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an op or helper yields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ResultKind {
    /// Nothing.
    None,
    /// A borrowed reference: something else keeps the object alive. May be null where the op says so.
    Borrowed,
    /// A new reference, which the superblock owns. May be null where the op says so.
    New,
    /// An integer.
    I64,
    /// A double.
    F64,
    /// A truth value.
    Bool,
    /// An address.
    Ptr,
    /// What the table of helpers says of the op's helper.
    OfHelper,
}

impl ResultKind {
    /// The type of the value; none if there is no value, or the table of helpers decides.
    pub const fn ty(self) -> Option<Type> {
        match self {
            ResultKind::None | ResultKind::OfHelper => None,
            ResultKind::Borrowed | ResultKind::New => Some(Type::Obj),
            ResultKind::I64 => Some(Type::I64),
            ResultKind::F64 => Some(Type::F64),
            ResultKind::Bool => Some(Type::Bool),
            ResultKind::Ptr => Some(Type::Ptr),
        }
    }
}

/// A comparison. On doubles every one but `ne` is false if an operand is not a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Cond {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Not less; the opposite of [`Cond::Lt`] on integers.
    Ge,
    /// Less or equal.
    Le,
    /// Greater; the opposite of [`Cond::Le`] on integers.
    Gt,
}

impl Cond {
    /// Every comparison. Opposites (on integers) are neighbours.
    pub const ALL: [Cond; 6] = [Cond::Eq, Cond::Ne, Cond::Lt, Cond::Ge, Cond::Le, Cond::Gt];

    /// The name in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            Cond::Eq => "eq",
            Cond::Ne => "ne",
            Cond::Lt => "lt",
            Cond::Ge => "ge",
            Cond::Le => "le",
            Cond::Gt => "gt",
        }
    }

    /// The comparison with this name.
    pub fn from_name(name: &str) -> Option<Cond> {
        Cond::ALL.into_iter().find(|c| c.name() == name)
    }

    /// The comparison of `a` with `b`.
    pub fn holds<T: PartialOrd>(self, a: T, b: T) -> bool {
        match self {
            Cond::Eq => a == b,
            Cond::Ne => a != b,
            Cond::Lt => a < b,
            Cond::Ge => a >= b,
            Cond::Le => a <= b,
            Cond::Gt => a > b,
        }
    }
}

const _: () = assert!(Cond::Eq as u8 ^ 1 == Cond::Ne as u8);
const _: () = assert!(Cond::Lt as u8 ^ 1 == Cond::Ge as u8);
const _: () = assert!(Cond::Le as u8 ^ 1 == Cond::Gt as u8);

/// Where an instruction that tier 1 executes leaves execution, seen from the frame that executes it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Moves {
    /// In the same frame.
    Stays,
    /// In a new frame directly above it.
    Calls,
    /// In the frame below it, which it returns (or yields) to.
    Returns,
    /// In the frame below that one, which an exception has got to.
    Unwinds,
}

impl Moves {
    /// Every kind.
    pub const ALL: [Moves; 4] = [Moves::Stays, Moves::Calls, Moves::Returns, Moves::Unwinds];

    /// The name in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            Moves::Stays => "stays",
            Moves::Calls => "calls",
            Moves::Returns => "returns",
            Moves::Unwinds => "unwinds",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Moves> {
        Moves::ALL.into_iter().find(|m| m.name() == name)
    }

    /// By how many the number of frames in memory changes.
    pub const fn change(self) -> i32 {
        match self {
            Moves::Stays => 0,
            Moves::Calls => 1,
            Moves::Returns => -1,
            Moves::Unwinds => -2,
        }
    }
}

/// A double as an immediate: compared and hashed by its bits, so that `-0.0` differs from `0.0` and a NaN equals itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Float(u64);

impl Float {
    /// The double with these bits.
    pub const fn from_bits(bits: u64) -> Float {
        Float(bits)
    }

    /// Its bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The double.
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for Float {
    fn from(x: f64) -> Float {
        Float(x.to_bits())
    }
}

impl fmt::Display for Float {
    /// The shortest decimal that reads back as the same double; the bits where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.get().is_finite() { write!(f, "{:?}", self.get()) } else { write!(f, "f64:{:#018x}", self.0) }
    }
}

impl fmt::Debug for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
