//! The table of instructions: the one place where an instruction is declared.
//!
//! A row names the instruction (its handler in [`crate::ops`] has the same name), its number, how many cache words follow
//! it, what it pops and pushes (`o` is the argument), and its flags. Numbers below 256 are CPython's own; what CPython does
//! not have, our specializations and the instructions that only our own stream holds, is numbered from 256. A specialized
//! row names the base instruction of its family, which it falls back to.
//!
//! From the table are derived: the opcode constants ([`op`]), the dispatch tables ([`NORMAL`], [`HAND_OVER`]), the names,
//! cache counts and base instructions that the decoder, the disassembler and the slow paths use, and the test that holds
//! the numbers, cache counts and stack effects against the running CPython's own.

use crate::dispatch::Handler;

/// Properties of an instruction that something outside its handler has to know.
pub mod flag {
    /// Has an argument.
    pub const ARG: u16 = 1;
    /// Jumps, or may jump, forwards by its argument.
    pub const JUMP: u16 = 2;
    /// Jumps backwards by its argument.
    pub const BACK: u16 = 4;
    /// Argument is an index into the constants.
    pub const CONST: u16 = 8;
    /// Argument names a name (some encodings shift it).
    pub const NAME: u16 = 16;
    /// Argument is the index of a local.
    pub const LOCAL: u16 = 32;
    /// Control never falls through to the next instruction.
    pub const END: u16 = 64;
    /// Exists in our stream only: it waits in a cache word for what an instruction has called, and its argument says how many words behind
    /// that. It cannot be handed to the stock interpreter, so it is executed even while handing over.
    pub const OURS: u16 = 128;
}

/// What the table says of one instruction.
#[derive(Debug, Clone, Copy)]
pub struct Info {
    /// Its name; an unused number has the empty name.
    pub name: &'static str,
    /// Cache words behind it.
    pub caches: u8,
    /// The instruction of CPython that it is, or is a specialization of.
    pub base: u16,
    /// Bits of [`flag`].
    pub flags: u16,
    /// Values popped and pushed, given the argument; for an instruction that jumps: when it does not.
    pub effect: fn(i64) -> (i64, i64),
}

/// One more than the highest instruction number; the size of a dispatch table.
pub const COUNT: usize = 384;

const UNUSED: Info = Info { name: "", caches: 0, base: 0, flags: 0, effect: |_| (0, 0) };

macro_rules! instructions {
    (
        base { $($bname:ident = $bnum:literal, $bcache:literal, |$o:ident| $pop:expr => $push:expr, [$($flag:ident),*];)* }
        specialized { $($sname:ident = $snum:literal : $sbase:ident;)* }
        ours { $($pname:ident = $pnum:literal, |$po:ident| $ppop:expr => $ppush:expr;)* }
    ) => {
        /// The instructions' numbers.
        #[allow(missing_docs)]
        pub mod op {
            $(pub const $bname: u16 = $bnum;)*
            $(pub const $sname: u16 = $snum;)*
            $(pub const $pname: u16 = $pnum;)*
        }

        /// Rows by number.
        pub static INFO: [Info; COUNT] = {
            let mut t = [UNUSED; COUNT];
            $(t[$bnum] = Info {
                name: stringify!($bname), caches: $bcache, base: $bnum, flags: 0 $(| flag::$flag)*,
                effect: |$o| { let _ = $o; ($pop, $push) },
            };)*
            $(t[$snum] = {
                let base = t[op::$sbase as usize];
                Info { name: stringify!($sname), caches: base.caches, base: op::$sbase, flags: base.flags, effect: base.effect }
            };)*
            $(t[$pnum] = Info {
                name: stringify!($pname), caches: 0, base: $pnum, flags: flag::OURS,
                effect: |$po| { let _ = $po; ($ppop, $ppush) },
            };)*
            t
        };

        /// Normal dispatch: every instruction does its work.
        pub(crate) static NORMAL: [Handler; COUNT] = {
            let mut t: [Handler; COUNT] = [crate::ops::unknown; COUNT];
            $(t[$bnum] = crate::ops::$bname;)*
            $(t[$snum] = crate::ops::$sname;)*
            $(t[$pnum] = crate::ops::$pname;)*
            t
        };
    };
}

/// Dispatch while frames are being given to the stock interpreter: every instruction that CPython knows hands its frame
/// over, the others run.
pub(crate) static HAND_OVER: [Handler; COUNT] = {
    let mut t = NORMAL;
    let mut i = 0;
    while i < COUNT {
        if INFO[i].flags & flag::OURS == 0 {
            t[i] = crate::eval::hand_over;
        }
        i += 1;
    }
    t
};

/// Dispatch while a thread records: every instruction is noted, and then does its work (the dual dispatch of CPython's
/// trace-recording front end: two tables over the same handlers, so that normal execution pays nothing for recording).
pub(crate) static RECORDING: [Handler; COUNT] = [crate::record::record; COUNT];

/// Words that each instruction takes up with its caches, by number: what slow paths step over.
pub static LENGTH: [u8; COUNT] = {
    let mut t = [1; COUNT];
    let mut i = 0;
    while i < COUNT {
        t[i] = 1 + INFO[i].caches;
        i += 1;
    }
    t
};

instructions! {
    base {
        CACHE = 0, 0, |o| 0 => 0, [];
        BEFORE_ASYNC_WITH = 1, 0, |o| 1 => 2, [];
        BEFORE_WITH = 2, 0, |o| 1 => 2, [];
        BINARY_SLICE = 4, 0, |o| 3 => 1, [];
        BINARY_SUBSCR = 5, 1, |o| 2 => 1, [];
        CHECK_EG_MATCH = 6, 0, |o| 2 => 2, [];
        CHECK_EXC_MATCH = 7, 0, |o| 2 => 2, [];
        CLEANUP_THROW = 8, 0, |o| 3 => 2, [];
        DELETE_SUBSCR = 9, 0, |o| 2 => 0, [];
        END_ASYNC_FOR = 10, 0, |o| 2 => 0, [];
        END_FOR = 11, 0, |o| 1 => 0, [];
        END_SEND = 12, 0, |o| 2 => 1, [];
        EXIT_INIT_CHECK = 13, 0, |o| 1 => 0, [];
        FORMAT_SIMPLE = 14, 0, |o| 1 => 1, [];
        FORMAT_WITH_SPEC = 15, 0, |o| 2 => 1, [];
        GET_AITER = 16, 0, |o| 1 => 1, [];
        RESERVED = 17, 0, |o| 0 => 0, [];
        GET_ANEXT = 18, 0, |o| 1 => 2, [];
        GET_ITER = 19, 0, |o| 1 => 1, [];
        GET_LEN = 20, 0, |o| 1 => 2, [];
        GET_YIELD_FROM_ITER = 21, 0, |o| 1 => 1, [];
        INTERPRETER_EXIT = 22, 0, |o| 1 => 0, [END];
        LOAD_ASSERTION_ERROR = 23, 0, |o| 0 => 1, [];
        LOAD_BUILD_CLASS = 24, 0, |o| 0 => 1, [];
        LOAD_LOCALS = 25, 0, |o| 0 => 1, [];
        MAKE_FUNCTION = 26, 0, |o| 1 => 1, [];
        MATCH_KEYS = 27, 0, |o| 2 => 3, [];
        MATCH_MAPPING = 28, 0, |o| 1 => 2, [];
        MATCH_SEQUENCE = 29, 0, |o| 1 => 2, [];
        NOP = 30, 0, |o| 0 => 0, [];
        POP_EXCEPT = 31, 0, |o| 1 => 0, [];
        POP_TOP = 32, 0, |o| 1 => 0, [];
        PUSH_EXC_INFO = 33, 0, |o| 1 => 2, [];
        PUSH_NULL = 34, 0, |o| 0 => 1, [];
        RETURN_GENERATOR = 35, 0, |o| 0 => 1, [];
        RETURN_VALUE = 36, 0, |o| 1 => 0, [END];
        SETUP_ANNOTATIONS = 37, 0, |o| 0 => 0, [];
        STORE_SLICE = 38, 0, |o| 4 => 0, [];
        STORE_SUBSCR = 39, 1, |o| 3 => 0, [];
        TO_BOOL = 40, 3, |o| 1 => 1, [];
        UNARY_INVERT = 41, 0, |o| 1 => 1, [];
        UNARY_NEGATIVE = 42, 0, |o| 1 => 1, [];
        UNARY_NOT = 43, 0, |o| 1 => 1, [];
        WITH_EXCEPT_START = 44, 0, |o| 4 => 5, [];
        BINARY_OP = 45, 1, |o| 2 => 1, [ARG];
        BUILD_CONST_KEY_MAP = 46, 0, |o| o + 1 => 1, [ARG];
        BUILD_LIST = 47, 0, |o| o => 1, [ARG];
        BUILD_MAP = 48, 0, |o| 2 * o => 1, [ARG];
        BUILD_SET = 49, 0, |o| o => 1, [ARG];
        BUILD_SLICE = 50, 0, |o| 2 + (o == 3) as i64 => 1, [ARG];
        BUILD_STRING = 51, 0, |o| o => 1, [ARG];
        BUILD_TUPLE = 52, 0, |o| o => 1, [ARG];
        CALL = 53, 3, |o| o + 2 => 1, [ARG];
        CALL_FUNCTION_EX = 54, 0, |o| 3 + (o & 1) => 1, [ARG];
        CALL_INTRINSIC_1 = 55, 0, |o| 1 => 1, [ARG];
        CALL_INTRINSIC_2 = 56, 0, |o| 2 => 1, [ARG];
        CALL_KW = 57, 0, |o| o + 3 => 1, [ARG];
        COMPARE_OP = 58, 1, |o| 2 => 1, [ARG];
        CONTAINS_OP = 59, 1, |o| 2 => 1, [ARG];
        CONVERT_VALUE = 60, 0, |o| 1 => 1, [ARG];
        COPY = 61, 0, |o| o => o + 1, [ARG];
        COPY_FREE_VARS = 62, 0, |o| 0 => 0, [ARG];
        DELETE_ATTR = 63, 0, |o| 1 => 0, [ARG, NAME];
        DELETE_DEREF = 64, 0, |o| 0 => 0, [ARG, LOCAL];
        DELETE_FAST = 65, 0, |o| 0 => 0, [ARG, LOCAL];
        DELETE_GLOBAL = 66, 0, |o| 0 => 0, [ARG, NAME];
        DELETE_NAME = 67, 0, |o| 0 => 0, [ARG, NAME];
        DICT_MERGE = 68, 0, |o| o + 4 => o + 3, [ARG];
        DICT_UPDATE = 69, 0, |o| o + 1 => o, [ARG];
        ENTER_EXECUTOR = 70, 0, |o| 0 => 0, [ARG];
        EXTENDED_ARG = 71, 0, |o| 0 => 0, [ARG];
        FOR_ITER = 72, 1, |o| 1 => 2, [ARG, JUMP];
        GET_AWAITABLE = 73, 0, |o| 1 => 1, [ARG];
        IMPORT_FROM = 74, 0, |o| 1 => 2, [ARG, NAME];
        IMPORT_NAME = 75, 0, |o| 2 => 1, [ARG, NAME];
        IS_OP = 76, 0, |o| 2 => 1, [ARG];
        JUMP_BACKWARD = 77, 1, |o| 0 => 0, [ARG, BACK, END];
        JUMP_BACKWARD_NO_INTERRUPT = 78, 0, |o| 0 => 0, [ARG, BACK, END];
        JUMP_FORWARD = 79, 0, |o| 0 => 0, [ARG, JUMP, END];
        LIST_APPEND = 80, 0, |o| o + 1 => o, [ARG];
        LIST_EXTEND = 81, 0, |o| o + 1 => o, [ARG];
        LOAD_ATTR = 82, 9, |o| 1 => 1 + (o & 1), [ARG, NAME];
        LOAD_CONST = 83, 0, |o| 0 => 1, [ARG, CONST];
        LOAD_DEREF = 84, 0, |o| 0 => 1, [ARG, LOCAL];
        LOAD_FAST = 85, 0, |o| 0 => 1, [ARG, LOCAL];
        LOAD_FAST_AND_CLEAR = 86, 0, |o| 0 => 1, [ARG, LOCAL];
        LOAD_FAST_CHECK = 87, 0, |o| 0 => 1, [ARG, LOCAL];
        LOAD_FAST_LOAD_FAST = 88, 0, |o| 0 => 2, [ARG, LOCAL];
        LOAD_FROM_DICT_OR_DEREF = 89, 0, |o| 1 => 1, [ARG, LOCAL];
        LOAD_FROM_DICT_OR_GLOBALS = 90, 0, |o| 1 => 1, [ARG, NAME];
        LOAD_GLOBAL = 91, 4, |o| 0 => 1 + (o & 1), [ARG, NAME];
        LOAD_NAME = 92, 0, |o| 0 => 1, [ARG, NAME];
        LOAD_SUPER_ATTR = 93, 1, |o| 3 => 1 + (o & 1), [ARG, NAME];
        MAKE_CELL = 94, 0, |o| 0 => 0, [ARG, LOCAL];
        MAP_ADD = 95, 0, |o| o + 2 => o, [ARG];
        MATCH_CLASS = 96, 0, |o| 3 => 1, [ARG];
        POP_JUMP_IF_FALSE = 97, 1, |o| 1 => 0, [ARG, JUMP];
        POP_JUMP_IF_NONE = 98, 1, |o| 1 => 0, [ARG, JUMP];
        POP_JUMP_IF_NOT_NONE = 99, 1, |o| 1 => 0, [ARG, JUMP];
        POP_JUMP_IF_TRUE = 100, 1, |o| 1 => 0, [ARG, JUMP];
        RAISE_VARARGS = 101, 0, |o| o => 0, [ARG, END];
        RERAISE = 102, 0, |o| o + 1 => o, [ARG, END];
        RETURN_CONST = 103, 0, |o| 0 => 0, [ARG, CONST, END];
        SEND = 104, 1, |o| 2 => 2, [ARG, JUMP];
        SET_ADD = 105, 0, |o| o + 1 => o, [ARG];
        SET_FUNCTION_ATTRIBUTE = 106, 0, |o| 2 => 1, [ARG];
        SET_UPDATE = 107, 0, |o| o + 1 => o, [ARG];
        STORE_ATTR = 108, 4, |o| 2 => 0, [ARG, NAME];
        STORE_DEREF = 109, 0, |o| 1 => 0, [ARG, LOCAL];
        STORE_FAST = 110, 0, |o| 1 => 0, [ARG, LOCAL];
        STORE_FAST_LOAD_FAST = 111, 0, |o| 1 => 1, [ARG, LOCAL];
        STORE_FAST_STORE_FAST = 112, 0, |o| 2 => 0, [ARG, LOCAL];
        STORE_GLOBAL = 113, 0, |o| 1 => 0, [ARG, NAME];
        STORE_NAME = 114, 0, |o| 1 => 0, [ARG, NAME];
        SWAP = 115, 0, |o| o => o, [ARG];
        UNPACK_EX = 116, 0, |o| 1 => (o & 0xff) + 1 + (o >> 8), [ARG];
        UNPACK_SEQUENCE = 117, 1, |o| 1 => o, [ARG];
        YIELD_VALUE = 118, 0, |o| 1 => 1, [ARG];
        RESUME = 149, 0, |o| 0 => 0, [ARG];
    }
    specialized {
        TO_BOOL_ALWAYS_TRUE = 256: TO_BOOL;
        TO_BOOL_BOOL = 257: TO_BOOL;
        TO_BOOL_INT = 258: TO_BOOL;
        TO_BOOL_LIST = 259: TO_BOOL;
        TO_BOOL_NONE = 260: TO_BOOL;
        TO_BOOL_STR = 261: TO_BOOL;
        BINARY_OP_ADD_INT = 262: BINARY_OP;
        BINARY_OP_SUBTRACT_INT = 263: BINARY_OP;
        BINARY_OP_MULTIPLY_INT = 264: BINARY_OP;
        BINARY_OP_FLOOR_DIVIDE_INT = 265: BINARY_OP;
        BINARY_OP_REMAINDER_INT = 266: BINARY_OP;
        BINARY_OP_AND_INT = 267: BINARY_OP;
        BINARY_OP_OR_INT = 268: BINARY_OP;
        BINARY_OP_XOR_INT = 269: BINARY_OP;
        BINARY_OP_LSHIFT_INT = 270: BINARY_OP;
        BINARY_OP_RSHIFT_INT = 271: BINARY_OP;
        BINARY_OP_ADD_FLOAT = 272: BINARY_OP;
        BINARY_OP_SUBTRACT_FLOAT = 273: BINARY_OP;
        BINARY_OP_MULTIPLY_FLOAT = 274: BINARY_OP;
        BINARY_OP_TRUE_DIVIDE_FLOAT = 275: BINARY_OP;
        BINARY_OP_FLOAT_INT = 276: BINARY_OP;
        BINARY_OP_INT_FLOAT = 277: BINARY_OP;
        BINARY_OP_ADD_UNICODE = 278: BINARY_OP;
        BINARY_OP_INPLACE_ADD_UNICODE = 279: BINARY_OP;
        BINARY_SUBSCR_DICT = 280: BINARY_SUBSCR;
        BINARY_SUBSCR_GETITEM = 281: BINARY_SUBSCR;
        BINARY_SUBSCR_LIST_INT = 282: BINARY_SUBSCR;
        BINARY_SUBSCR_STR_INT = 283: BINARY_SUBSCR;
        BINARY_SUBSCR_TUPLE_INT = 284: BINARY_SUBSCR;
        STORE_SUBSCR_DICT = 285: STORE_SUBSCR;
        STORE_SUBSCR_LIST_INT = 286: STORE_SUBSCR;
        COMPARE_OP_FLOAT = 287: COMPARE_OP;
        COMPARE_OP_INT = 288: COMPARE_OP;
        COMPARE_OP_STR = 289: COMPARE_OP;
        CONTAINS_OP_SET = 290: CONTAINS_OP;
        CONTAINS_OP_DICT = 291: CONTAINS_OP;
        UNPACK_SEQUENCE_TWO_TUPLE = 292: UNPACK_SEQUENCE;
        UNPACK_SEQUENCE_TUPLE = 293: UNPACK_SEQUENCE;
        UNPACK_SEQUENCE_LIST = 294: UNPACK_SEQUENCE;
        LOAD_ATTR_INSTANCE_VALUE = 295: LOAD_ATTR;
        LOAD_ATTR_MODULE = 296: LOAD_ATTR;
        LOAD_ATTR_WITH_HINT = 297: LOAD_ATTR;
        LOAD_ATTR_SLOT = 298: LOAD_ATTR;
        LOAD_ATTR_CLASS = 299: LOAD_ATTR;
        LOAD_ATTR_PROPERTY = 300: LOAD_ATTR;
        LOAD_ATTR_GETATTRIBUTE_OVERRIDDEN = 301: LOAD_ATTR;
        LOAD_ATTR_METHOD_WITH_VALUES = 302: LOAD_ATTR;
        LOAD_ATTR_METHOD_NO_DICT = 303: LOAD_ATTR;
        LOAD_ATTR_METHOD_LAZY_DICT = 304: LOAD_ATTR;
        LOAD_ATTR_NONDESCRIPTOR_WITH_VALUES = 305: LOAD_ATTR;
        LOAD_ATTR_NONDESCRIPTOR_NO_DICT = 306: LOAD_ATTR;
        STORE_ATTR_INSTANCE_VALUE = 307: STORE_ATTR;
        STORE_ATTR_SLOT = 308: STORE_ATTR;
        STORE_ATTR_WITH_HINT = 309: STORE_ATTR;
        LOAD_SUPER_ATTR_ATTR = 310: LOAD_SUPER_ATTR;
        LOAD_SUPER_ATTR_METHOD = 311: LOAD_SUPER_ATTR;
        LOAD_GLOBAL_MODULE = 312: LOAD_GLOBAL;
        LOAD_GLOBAL_BUILTIN = 313: LOAD_GLOBAL;
        FOR_ITER_LIST = 314: FOR_ITER;
        FOR_ITER_TUPLE = 315: FOR_ITER;
        FOR_ITER_RANGE = 316: FOR_ITER;
        FOR_ITER_GEN = 317: FOR_ITER;
        SEND_GEN = 318: SEND;
        CALL_PY_EXACT_ARGS = 319: CALL;
        CALL_BOUND_METHOD_EXACT_ARGS = 320: CALL;
        CALL_PY_GENERAL = 321: CALL;
        CALL_BOUND_METHOD_GENERAL = 322: CALL;
        CALL_TYPE_1 = 323: CALL;
        CALL_STR_1 = 324: CALL;
        CALL_TUPLE_1 = 325: CALL;
        CALL_BUILTIN_CLASS = 326: CALL;
        CALL_BUILTIN_O = 327: CALL;
        CALL_BUILTIN_FAST = 328: CALL;
        CALL_BUILTIN_FAST_WITH_KEYWORDS = 329: CALL;
        CALL_LEN = 330: CALL;
        CALL_ISINSTANCE = 331: CALL;
        CALL_LIST_APPEND = 332: CALL;
        CALL_METHOD_DESCRIPTOR_O = 333: CALL;
        CALL_METHOD_DESCRIPTOR_FAST = 334: CALL;
        CALL_METHOD_DESCRIPTOR_FAST_WITH_KEYWORDS = 335: CALL;
        CALL_METHOD_DESCRIPTOR_NOARGS = 336: CALL;
        CALL_ALLOC_AND_ENTER_INIT = 337: CALL;
        CALL_NON_PY_GENERAL = 338: CALL;
        RESUME_IN_YIELD_FROM = 339: RESUME;
        RESUME_COUNTED = 340: RESUME;
        RESUME_EXECUTOR = 341: RESUME;
        JUMP_BACKWARD_COUNTED = 342: JUMP_BACKWARD;
        JUMP_BACKWARD_EXECUTOR = 343: JUMP_BACKWARD;
        CALL_CONSUMER = 344: CALL;
        LOAD_ATTR_CLASS_WITH_METACLASS = 345: LOAD_ATTR;
        CALL_EXIT = 346: CALL;
        CALL_FOR_METHOD = 347: CALL;
        LOAD_ATTR_FOR_METHOD = 348: LOAD_ATTR;
        STORE_ATTR_FOR_METHOD = 349: STORE_ATTR;
        CALL_INITIALIZER = 350: CALL;
    }
    ours {
        INIT_RETURN = 352, |o| 1 => 0;
        ASSIGNMENT_RETURN = 353, |o| 1 => 0;
        EXIT_RETURN = 354, |o| 2 => 1;
        METHOD_RETURN = 355, |o| 0 => 1;
        NEXT_RETURN = 356, |o| 1 => 1;
    }
}
