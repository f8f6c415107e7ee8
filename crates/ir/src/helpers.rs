//! The table of helpers: functions of the host that `call_helper` calls.
//!
//! A row gives the kinds of the arguments (as in the table of ops: `own` is stolen), the result, and the effects. The
//! last kind may be `objs` or `owns`: any number of further objects, borrowed or stolen. A helper that raises yields null, or a negative
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
    /// What may follow them, any number of it.
    pub more: Option<OperandKind>,
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
    (objs) => {
        OperandKind::Borrowed
    };
    (owns) => {
        OperandKind::Stolen
    };
}

macro_rules! more {
    () => {
        None
    };
    ($rest:ident) => {
        Some(arg!($rest))
    };
}

/// What helpers touch that work on lists, dictionaries and sets of exactly the built-in types.
const CONTAINERS: M = M::LIST.union(M::DICT);

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
                        more: more!($($rest)?),
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
    /// The next item of an iterator, or the object that stands for there being none.
    Next = next(obj) -> New, escapes().raises();
    /// Calls the first argument with the second as its first positional argument unless that is null, then the rest.
    Call = call(obj, obj; objs) -> New, escapes().raises();
    /// Calls the first argument with all behind the second, which is a tuple with the names of the last of them; the first of them is left out if
    /// it is null.
    CallKw = call_kw(obj, obj; objs) -> New, escapes().raises();
    /// Calls whatever the first argument is as `call` does, and as the instruction CALL does it: it and what it is called with are passed on to the
    /// function's frame, if it is one in Python.
    CallAny = call_any(own, own; owns) -> New, escapes().raises();
    /// Calls `__enter__`, which the descriptor of a method of a built-in type stands for, of a context manager. Unlike calls, it serves no signals: a handler
    /// that raises is to do so in the block.
    Enter = enter(obj, obj) -> New, escapes().raises();
    /// Whether there is room for another activation, such as `call_any` begins: 1 or 0.
    HasRoom = has_room(obj) -> I64, reads(M::THREAD);
    /// Appends to exactly a list: 0, or negative when memory is short.
    ListAppend = list_append(obj, own) -> I64, reads(M::LIST).writes(M::LIST).raises();
    /// Concatenates two exact strings. Null with an exception when memory is short.
    StrConcat = str_concat(obj, obj) -> New, allocates().raises();
    /// Whether two exact strings are equal: 0 or 1.
    StrEq = str_eq(obj, obj) -> I64, pure();
    /// The sum of two exact ints of any size. Null with an exception when memory is short.
    IntAdd = int_add(obj, obj) -> New, allocates().raises();
    /// As `binary_op`, for operands whose types are known to run no other code in it.
    QuietBinary = quiet_binary(obj, obj, i64) -> New, reads(M::LIST).writes(M::LIST).allocates().raises();
    /// As `compare_op`, for operands whose types are known to run no other code in it.
    QuietCompare = quiet_compare(obj, obj, i64) -> New, reads(M::LIST).raises();
    /// `iter(x)` for an object of a built-in type.
    QuietIter = quiet_iter(obj) -> New, allocates().raises();
    /// Calls a C function that is known to run no other code with such arguments; see `call`.
    QuietCall = quiet_call(obj, obj; objs) -> New,
        reads(CONTAINERS.union(M::ITER).union(M::ARRAY)).writes(CONTAINERS.union(M::ITER)).allocates().raises();
    /// `x[start:stop]` for exactly a list, tuple, str, bytes or range, with bounds that are None or exact ints.
    Slice = slice(obj, obj, obj) -> New, reads(M::LIST).allocates().raises();
    /// `x[k]` for exactly a dict, str or range. Null (and no exception) if there is no such item, or code would have to run to find it.
    Lookup = lookup(obj, obj) -> New, reads(M::DICT);
    /// `d.get(k, default)` for exactly a dict. Null (and no exception) if code would have to run to find it.
    LookupOr = lookup_or(obj, obj, obj) -> New, reads(M::DICT);
    /// Whether exactly a dict, set, frozenset, list, tuple, str or bytes object contains the second operand: 0, 1; or negative (and no exception)
    /// if code would have to run to tell.
    Member = member(obj, obj) -> I64, reads(CONTAINERS);
    /// The hash of exactly a str.
    StrHash = str_hash(obj) -> I64, pure();
    /// As `member`, for exactly a dict, set or frozenset, and an object that is no str; the number is what its `__hash__` has returned.
    MemberHashed = member_hashed(obj, obj, i64) -> I64, reads(CONTAINERS);
    /// As `lookup`, for exactly a dict, and such a key.
    LookupHashed = lookup_hashed(obj, obj, i64) -> New, reads(M::DICT);
    /// The truth of an object of a built-in type that is a number or has a length: 0 or 1.
    QuietTruth = quiet_truth(obj) -> I64, reads(CONTAINERS.union(M::ARRAY));
    /// Whether storing under this key in exactly a dict runs no code and is nobody's business: 1 or 0.
    Storable = storable(obj, obj) -> I64, reads(M::DICT).reads(M::VERSION);
    /// `d[k] = v` where that is `storable`. Yields what was there before, or None. Null with an exception when memory is short.
    DictStore = dict_store(obj, obj, obj) -> New, reads(M::DICT).writes(M::DICT).writes(M::VERSION).raises();
    /// Has a list or tuple iterator that is exhausted let go of what it iterated over, as it does when it is asked for one item more.
    /// Yields that, or None if it had let go of it before.
    IterFinish = iter_finish(obj) -> New, reads(M::ITER).writes(M::ITER);
    /// `del d[k]` for exactly a dict. Yields what was there. Null (and no exception, nothing has changed) if there is no such item, code
    /// would have to run, or the change is somebody's business.
    DictDelete = dict_delete(obj, obj) -> New, reads(M::DICT).reads(M::VERSION).writes(M::DICT).writes(M::VERSION).tries();
    /// `d[k] = v` for a namespace that has the key, an interned string. Yields what was there. Null (and no exception, nothing has changed) if
    /// it has not, or the change is somebody's business.
    NameStore = name_store(obj, obj, obj) -> New, reads(M::DICT).reads(M::VERSION).writes(M::DICT).writes(M::VERSION).tries();
    /// A dictionary with the keys and values behind the first argument, which is null. The keys are such that comparing them runs no code.
    BuildMap = build_map(obj, obj; objs) -> New, allocates().raises();
    /// Fills exactly a dict, which is empty, with the items of another one, whose keys are strings: 1; 0 (and nothing has changed) if it is not like that.
    DictFill = dict_fill(obj, obj) -> I64, reads(M::DICT).writes(M::DICT).writes(M::VERSION).tries();
    /// Whether the keys of exactly a dict are the interned strings behind the second argument, which is null, in this order: 1 or 0.
    KeysAre = keys_are(obj, obj; objs) -> I64, reads(M::DICT);
    /// The value that exactly a dict has under a key (an interned string) which is that of the entry with this index; else null.
    KeyedItem = keyed_item(obj, obj, i64) -> Borrowed, reads(M::DICT);
    /// Adds to exactly a set: 1; 0 (and nothing has changed) if code would have to run.
    SetAdd = set_add(obj, obj) -> I64, reads(M::DICT).writes(M::DICT).tries();
    /// Removes from exactly a set: 1, or 0 if it is not in there; negative (and nothing has changed) if code would have to run.
    SetDiscard = set_discard(obj, obj) -> I64, reads(M::DICT).writes(M::DICT).tries();
    /// `x[s]` for exactly a list, tuple, str or bytes object and a slice. Null (and no exception) if code would have to run, or it cannot be.
    SliceItem = slice_item(obj, obj) -> New, reads(M::LIST).allocates();
    /// `x[start:stop:step]` for exactly a list, with bounds and a step that are None or exact ints. Null (and no exception) if it cannot be.
    SliceStep = slice_step(obj, obj, obj, obj) -> New, reads(M::LIST).allocates();
    /// `x[start:stop] = y` for exactly a list and a list or tuple: 1; 0 (and nothing has changed) if code would have to run.
    StoreSlice = store_slice(obj, obj, obj, obj) -> I64, reads(M::LIST).writes(M::LIST).tries();
    /// The same, where the superblock drops `y` next and nothing else of it refers to it: if nobody else does, `y` may have what was in the slice.
    ExchangeSlice = exchange_slice(obj, obj, obj, obj) -> I64, reads(M::LIST).writes(M::LIST).reads(M::REFCOUNT).tries();
    /// `x + y` for exactly two lists. If nobody else refers to one of them, its items become those of the result. Null with an exception when
    /// memory is short.
    ListConcat = list_concat(own, own) -> New, reads(M::LIST).writes(M::LIST).reads(M::REFCOUNT).writes(M::REFCOUNT).allocates().raises();
    /// `x.index(v)` or `x.count(v)` for exactly a list or tuple, by the number (0 or 1). Negative (and no exception) if there is none, or code
    /// would have to run to tell.
    Search = search(obj, obj, i64) -> I64, reads(M::LIST);
    /// `x.remove(v)` for exactly a list. Yields the item that was there. Null (and no exception, nothing has changed) if there is none, or
    /// code would have to run.
    ListRemove = list_remove(obj, obj) -> New, reads(M::LIST).writes(M::LIST).tries();
    /// Extends exactly a list by a list or tuple: 0, or negative when memory is short.
    ListExtend = list_extend(obj, obj) -> I64, reads(M::LIST).writes(M::LIST).raises();
    /// `tuple(x)` for exactly a list. If nobody else refers to that, its items move there.
    TupleOfList = tuple_of_list(own) -> New,
        reads(M::LIST).writes(M::LIST).reads(M::REFCOUNT).writes(M::REFCOUNT).allocates().raises();
    /// Calls a method of `collections.deque` that adds an item, with the deque and the item: 1; 0 (and nothing has changed) if the deque is
    /// bounded, so that something may fall out.
    DequeAppend = deque_append(obj, obj, obj) -> I64, reads(CONTAINERS).writes(CONTAINERS).tries();
    /// `id(x)`, or 0 if somebody listens to the audit event that it raises.
    Identity = identity(obj) -> I64, reads(M::VERSION);
    /// The next item of an iterator of dictionaries, `enumerate` or `zip`. Null (and no exception) if there is none, or code would have
    /// to run to get it; it is as it was then, as far as anyone can tell.
    QuietNext = quiet_next(obj) -> New, reads(CONTAINERS.union(M::ITER)).writes(M::ITER).tries();
    /// Whether an iterator of the items of a set, string, bytes object or dictionary, or of a list backwards, has none left, and nobody else
    /// refers to it: 1; 0 if not, or if it is out of order.
    IterDone = iter_done(obj) -> I64, reads(CONTAINERS.union(M::ITER));
    /// The iterator from which an `enumerate` takes its items, borrowed.
    EnumerateIter = enumerate_iter(obj) -> Borrowed, pure();
    /// The number that comes with the next item of an `enumerate`; negative if `enumerate_keep` cannot be used: it does not fit, somebody has
    /// the tuple that was yielded last, or nobody else has the item in that.
    EnumerateNumber = enumerate_number(obj) -> I64, reads(M::ITER).reads(M::REFCOUNT);
    /// Has an `enumerate` go on, after its iterator has yielded this item: the next number is one higher, and the item takes the place of the
    /// one in the tuple that was yielded last. Yields 0.
    EnumerateKeep = enumerate_keep(obj, own) -> I64, reads(M::ITER).writes(M::ITER).reads(M::REFCOUNT).writes(M::REFCOUNT);
    /// The receiver of a bound method of a built-in type, if this descriptor is what it is made of; else null.
    BoundSelf = bound_self(obj, obj) -> Borrowed, reads(M::SLOT);
    /// A method of a built-in type, which is given by its descriptor, bound to a receiver of that type. Null (and no exception) when memory is short.
    BindBuiltin = bind_builtin(obj, obj) -> New, allocates();
    /// The dictionary of an instance whose type manages it, if the entry with this index has this key; else null.
    InstanceDict = instance_dict(obj, obj, i64) -> Borrowed, reads(M::INLINE).reads(M::DICT);
    /// `x.__dict__` for an instance whose type manages its dictionary. It is made if there is none, and has the instance's attributes from then on.
    OwnDict = own_dict(obj) -> New, reads(M::INLINE).writes(M::INLINE).allocates().raises();
    /// Whether an instance has no attribute of its own with this name: 1; 0 if it has, or that cannot be told simply.
    InstanceLacks = instance_lacks(obj, obj) -> I64, reads(M::INLINE).reads(M::DICT);
    /// An attribute of an object of any type; null if code would have to run to get it, or there is none.
    AnyAttribute = any_attribute(obj, obj) -> New,
        reads(M::TYPE).reads(M::VERSION).reads(M::INLINE).reads(M::SLOT).reads(M::DICT).allocates();
    /// Writes an attribute of an object of any type. Yields what was there, or None. Null (and no exception, nothing has changed) if code would have to run, a
    /// dictionary would have to hear of it, or it cannot be.
    StoreAny = store_any(obj, obj, obj) -> New,
        reads(M::TYPE).reads(M::VERSION).reads(M::INLINE).reads(M::SLOT).writes(M::INLINE).writes(M::SLOT).tries();
    /// Whether an object of any type has an attribute: 0, 1; or negative (and no exception) if code would have to run to tell.
    HasAttribute = has_attribute(obj, obj) -> I64, reads(M::TYPE).reads(M::VERSION).reads(M::INLINE).reads(M::SLOT).reads(M::DICT);
    /// Whether an object is an instance of a class, or of one in a tuple: 0, 1; or negative (and no exception) if code would have to run to
    /// tell.
    AnyInstance = any_instance(obj, obj) -> I64, reads(M::TYPE).reads(M::VERSION);
    /// `format(x, spec)` for an int, float, bool, string or None, exactly. No spec if it is null.
    QuietFormat = quiet_format(obj, obj) -> New, allocates().raises();
    /// `str(x)`, `repr(x)` or `ascii(x)`, by the argument of CONVERT_VALUE, for such an object.
    QuietConvert = quiet_convert(obj, i64) -> New, allocates().raises();
    /// The strings behind the first argument, which is null, as one. All are exactly strings.
    JoinStrings = join_strings(obj, obj; objs) -> New, allocates().raises();
    /// A function of a code object with these globals.
    NewFunction = new_function(obj, obj) -> New, allocates().raises();
    /// Gives a new function an attribute, by the argument of SET_FUNCTION_ATTRIBUTE: 0.
    SetFunctionAttribute = set_function_attribute(obj, own, i64) -> I64, writes(M::SLOT);
    /// `x ** y` for doubles where that is a double (the caller has excluded the domain errors of Python's `**`).
    FloatPow = float_pow(f64, f64) -> F64, pure();
}
