//! The table of rewrite rules for integers.
//!
//! Each rule is an identity of 64-bit arithmetic. `proofs/integers.py` has a proof of each under its name, by an SMT solver, for all
//! operands; a test checks that it leaves none out. To run the proofs:
//!
//! ```text
//! pip install z3-solver
//! python crates/opt/proofs/integers.py
//! ```
//!
//! `_ovf` ops yield what the plain ops do if they do not exit; a rule for both is proved for both: that it has the same result, and
//! that the op would not have exited.

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident;)*) => {
        /// A rule.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Rule { $($(#[doc = $doc])+ $variant),* }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Rule] = &[$(Rule::$variant),*];

            /// Its name, which its proof has too.
            pub const fn name(self) -> &'static str {
                match self { $(Rule::$variant => stringify!($name)),* }
            }
        }
    };
}

rules! {
    /// `x + 0` is `x`.
    AddZero = add_zero;
    /// `0 + x` is `x`.
    ZeroAdd = zero_add;
    /// `x - 0` is `x`.
    SubZero = sub_zero;
    /// `x - x` is 0.
    SubSelf = sub_self;
    /// `x * 1` is `x`.
    MulOne = mul_one;
    /// `1 * x` is `x`.
    OneMul = one_mul;
    /// `x * 0` and `0 * x` are 0.
    MulZero = mul_zero;
    /// `x & x` is `x`.
    AndSelf = and_self;
    /// `x & 0` and `0 & x` are 0.
    AndZero = and_zero;
    /// `x & -1` is `x`.
    AndOnes = and_ones;
    /// `x | x` and `x | 0` are `x`.
    OrSelfOrZero = or_self_or_zero;
    /// `0 | x` is `x`.
    ZeroOr = zero_or;
    /// `x ^ x` is 0.
    XorSelf = xor_self;
    /// `x ^ 0` is `x`.
    XorZero = xor_zero;
    /// `x << 0` and `x >> 0` are `x`.
    ShiftZero = shift_zero;
    /// `x // 1` is `x`.
    DivOne = div_one;
    /// `x % 1` is 0.
    ModOne = mod_one;
    /// `x < x` is false, `x <= x` is true, and so on.
    CmpSelf = cmp_self;
    /// The opposite of a comparison holds exactly if it does not.
    NotCmp = not_cmp;
    /// A comparison of ranges that do not overlap is decided.
    CmpRange = cmp_range;
    /// A sum whose range fits into 64 bits does not overflow, and lies in that range.
    AddRange = add_range;
    /// A difference whose range fits into 64 bits does not overflow, and lies in that range.
    SubRange = sub_range;
    /// A product whose range fits into 64 bits does not overflow, and lies in that range.
    MulRange = mul_range;
    /// The negative of what is not the least integer does not overflow.
    NegRange = neg_range;
    /// An index that is not negative and less than the length is in bounds.
    IndexRange = index_range;
    /// `x & y` lies between 0 and `y` if `y` is not negative.
    AndRange = and_range;
    /// `x % y` lies between 0 and `y - 1` if `y` is positive.
    ModRange = mod_range;
    /// `x >> y` lies between those of the ends of x's range and 0 and -1.
    ShrRange = shr_range;
    /// `x // y` for positive `y` lies between the ends of x's range, or 0 and -1.
    DivRange = div_range;
}

impl Rule {
    /// Where a rule is applied, so that what is in the code is in the table.
    pub(crate) const fn applied(self) {}
}
