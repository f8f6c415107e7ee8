//! Numbers in memory, as arrays have them: how wide they are, and what bits stand for which number.

macro_rules! kinds {
    ($(#[$doc:meta])* $enum:ident: $count:literal { $($(#[$kind_doc:meta])* $variant:ident = $name:ident, $width:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $enum { $($(#[$kind_doc])* $variant),* }

        impl $enum {
            /// Every kind.
            pub const ALL: [$enum; $count] = [$($enum::$variant),*];

            /// The name in the text format.
            pub const fn name(self) -> &'static str {
                match self { $($enum::$variant => stringify!($name)),* }
            }

            /// The kind with this name.
            pub fn from_name(name: &str) -> Option<$enum> {
                $enum::ALL.into_iter().find(|k| k.name() == name)
            }

            /// How many bytes it takes.
            pub const fn width(self) -> usize {
                match self { $($enum::$variant => $width),* }
            }
        }
    };
}

kinds! {
    /// An integer in memory.
    IntKind: 7 {
        /// Signed, 8 bits.
        I8 = i8, 1;
        /// Unsigned, 8 bits.
        U8 = u8, 1;
        /// Signed, 16 bits.
        I16 = i16, 2;
        /// Unsigned, 16 bits.
        U16 = u16, 2;
        /// Signed, 32 bits.
        I32 = i32, 4;
        /// Unsigned, 32 bits.
        U32 = u32, 4;
        /// Signed, 64 bits.
        I64 = i64, 8;
    }
}

kinds! {
    /// A double in memory.
    FloatKind: 2 {
        /// With single precision.
        F32 = f32, 4;
        /// With double precision.
        F64 = f64, 8;
    }
}

impl IntKind {
    /// The least and the greatest number.
    pub const fn range(self) -> (i64, i64) {
        match self {
            IntKind::I8 => (i8::MIN as i64, i8::MAX as i64),
            IntKind::U8 => (0, u8::MAX as i64),
            IntKind::I16 => (i16::MIN as i64, i16::MAX as i64),
            IntKind::U16 => (0, u16::MAX as i64),
            IntKind::I32 => (i32::MIN as i64, i32::MAX as i64),
            IntKind::U32 => (0, u32::MAX as i64),
            IntKind::I64 => (i64::MIN, i64::MAX),
        }
    }

    /// The number that bits in memory stand for; bits beyond the width do not count.
    pub const fn number(self, bits: u64) -> i64 {
        match self {
            IntKind::I8 => bits as i8 as i64,
            IntKind::U8 => bits as u8 as i64,
            IntKind::I16 => bits as i16 as i64,
            IntKind::U16 => bits as u16 as i64,
            IntKind::I32 => bits as i32 as i64,
            IntKind::U32 => bits as u32 as i64,
            IntKind::I64 => bits as i64,
        }
    }

    /// The bits that stand for a number in the range.
    pub const fn bits(self, number: i64) -> u64 {
        number as u64 & (u64::MAX >> (64 - 8 * self.width()))
    }
}

impl FloatKind {
    /// The double that bits in memory stand for.
    pub fn number(self, bits: u64) -> f64 {
        match self {
            FloatKind::F32 => f32::from_bits(bits as u32).into(),
            FloatKind::F64 => f64::from_bits(bits),
        }
    }

    /// The bits that stand for a double, rounded if need be.
    pub fn bits(self, number: f64) -> u64 {
        match self {
            FloatKind::F32 => (number as f32).to_bits().into(),
            FloatKind::F64 => number.to_bits(),
        }
    }
}

/// What the elements of an array are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ElementKind {
    /// Integers.
    Int(IntKind),
    /// Doubles.
    Float(FloatKind),
}

impl ElementKind {
    /// What the elements of an `array.array` with this typecode are, where C's `long` has 64 bits. None for those that ops do not
    /// know: characters, and integers that need all of 64 bits without a sign.
    pub const fn of_typecode(typecode: u8) -> Option<ElementKind> {
        Some(match typecode {
            b'b' => ElementKind::Int(IntKind::I8),
            b'B' => ElementKind::Int(IntKind::U8),
            b'h' => ElementKind::Int(IntKind::I16),
            b'H' => ElementKind::Int(IntKind::U16),
            b'i' => ElementKind::Int(IntKind::I32),
            b'I' => ElementKind::Int(IntKind::U32),
            b'l' | b'q' => ElementKind::Int(IntKind::I64),
            b'f' => ElementKind::Float(FloatKind::F32),
            b'd' => ElementKind::Float(FloatKind::F64),
            _ => return None,
        })
    }

    /// How many bytes an element takes.
    pub const fn width(self) -> usize {
        match self {
            ElementKind::Int(kind) => kind.width(),
            ElementKind::Float(kind) => kind.width(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_their_limits() {
        for kind in IntKind::ALL {
            let (least, greatest) = kind.range();
            for n in [least, greatest, 0, 1] {
                assert_eq!(kind.number(kind.bits(n)), n, "{}", kind.name());
                // What is next to it in memory does not count.
                let beyond = if kind.width() == 8 { 0 } else { u64::MAX << (8 * kind.width()) };
                assert_eq!(kind.number(kind.bits(n) | beyond), n, "{}", kind.name());
            }
        }
        assert_eq!(FloatKind::F32.number(FloatKind::F32.bits(0.1)), f64::from(0.1_f32));
        assert_eq!(FloatKind::F32.number(FloatKind::F32.bits(1e300)), f64::INFINITY);
        assert_eq!(FloatKind::F64.number(FloatKind::F64.bits(0.1)), 0.1);
    }

    #[test]
    fn widths_of_typecodes() {
        let widths = b"bBhHiIlqfduwLQ".map(|t| ElementKind::of_typecode(t).map(ElementKind::width));
        assert_eq!(widths[..10], [1, 1, 2, 2, 4, 4, 8, 8, 4, 8].map(Some));
        assert_eq!(widths[10..], [None; 4]);
    }
}
