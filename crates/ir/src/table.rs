//! The table of ops: the one place where a micro-op is declared.
//!
//! A row reads
//!
//! ```text
//! /// What it does.
//! Variant = text_name(field: kind, ...) -> Result, effect(..).effect(..);
//! ```
//!
//! Kinds of fields are those of [`FieldKind`](crate::FieldKind), results those of [`ResultKind`](crate::ResultKind), effects
//! the methods of [`Effects`](crate::Effects). The documentation of an op is its meaning: [`Op`](crate::Op) shows it.
//!
//! An op that computes an unboxed value from unboxed values ends with `computes` and a function in Rust, which is its meaning for all
//! who execute it (see `computing.rs`): its parameters are the fields (an immediate may be a `cond`), and what it yields is the
//! result, or an option if the op exits.
//!
//! Conventions that hold for every row:
//!
//! * **An op that exits has done nothing** when it does: the exit is taken before any of its effects.
//! * `obj` operands are borrowed, `own` operands stolen; neither may be null unless the text says so.
//! * `Borrowed` results are good as long as something else owns the object. `New` results are owned by the superblock.
//! * Stores do not drop the reference that they overwrite: the superblock loads it before and drops it after, in the
//!   order in which CPython does it.
//! * Allocation never yields null. A host that has no memory for a small object ends the process, as Rust's own
//!   allocation does; what may be large is allocated by helpers, which raise.

/// Calls the macro whose name is given with all rows of the table.
macro_rules! for_each_op {
    ($callback:ident) => { $callback! {
// -- constants ------------------------------------------------------------------------------------------------------------

/// The object; the host keeps it alive.
ConstObj = const_obj(object: object) -> Borrowed, pure();
/// Null.
ConstNull = const_null() -> Borrowed, pure();
/// The integer.
ConstI64 = const_i64(number: int) -> I64, pure();
/// The double.
ConstF64 = const_f64(number: float) -> F64, pure();
/// The truth value.
ConstBool = const_bool(truth: truth) -> Bool, pure();

// -- frames in memory -----------------------------------------------------------------------------------------------------

/// The local in a frame in memory (arguments, variables, cells and free variables are numbered as in CPython); null if
/// unbound. The slot goes on owning its reference until a snapshot gives it another content, or a spill does.
LoadLocal = load_local(depth: depth, index: index) -> Borrowed, reads(M::FRAME);
/// The item of the value stack of a frame in memory, counted from the bottom; may be null.
LoadStack = load_stack(depth: depth, index: index) -> Borrowed, reads(M::FRAME);
/// The namespace in which a frame in memory looks up global variables. The frame keeps it alive.
LoadGlobals = load_globals(depth: depth) -> Borrowed, reads(M::FRAME);
/// The namespace in which it looks up what is not among the globals.
LoadBuiltins = load_builtins(depth: depth) -> Borrowed, reads(M::FRAME);
/// Writes a local of a frame in memory; the value may be null. What was there is not dropped.
SpillLocal = spill_local(depth: depth, index: index, value: own) -> None, writes(M::FRAME);
/// Writes an item of the value stack of a frame in memory; the value may be null. What was there is not dropped.
SpillStack = spill_stack(depth: depth, index: index, value: own) -> None, writes(M::FRAME);
/// Pushes a frame for the function onto the frames in memory, with all its locals (null where unbound) and an empty stack.
/// The frame below is left at the position of its call, `caller_pc`. There must be room: see `check_stack_space`.
PushFrame = push_frame(code: code, caller_pc: pc, function: own, locals: owns) -> None, writes(M::FRAME);
/// Drops the top frame in memory with the references in its slots and to its function.
PopFrame = pop_frame() -> None, escapes();
/// Returns the value from the top frame in memory to the one below it, which for the frame where the superblock began is its
/// caller. What is in the frame's slots does not count any more: the references that they hold belong to the superblock. The frame
/// is taken off first; then these references are dropped, in this order (they may be null), then those to its function and its code. Where that
/// leads to, behind the call or to the end of the activation, is the landing, as after `execute`. The frame must be
/// plain: see `guard_plain_frame`.
ReturnValue = return_value(value: own, dropped: owns) -> None, escapes();

// -- guards ---------------------------------------------------------------------------------------------------------------

/// Exits unless the object's type is exactly this one.
GuardType = guard_type(value: obj, class: object) -> None, reads(M::TYPE).exits(R::WrongType);
/// Exits unless the value is null or an object whose type is exactly this one.
GuardTypeOrNull = guard_type_or_null(value: obj, class: object) -> None, reads(M::TYPE).exits(R::WrongType);
/// Exits unless the object's type has this version: it is that type, and nothing in it or its bases changed.
GuardTypeVersion = guard_type_version(value: obj, version: version) -> None,
    reads(M::TYPE).reads(M::VERSION).exits(R::TypeChanged);
/// Exits unless the object, which is a class, has this version: it is that very class, and nothing in it or its bases changed.
GuardClassVersion = guard_class_version(class: obj, version: version) -> None,
    reads(M::VERSION).exits(R::TypeChanged);
/// Exits unless the keys of the dictionary have this version: entries are where they were.
GuardKeysVersion = guard_keys_version(dict: obj, version: version) -> None,
    reads(M::DICT).reads(M::VERSION).exits(R::KeysChanged);
/// Exits unless the keys that instances of the object's type share have this version: no instance has other attributes.
GuardSharedKeysVersion = guard_shared_keys_version(value: obj, version: version) -> None,
    reads(M::TYPE).reads(M::VERSION).exits(R::KeysChanged);
/// Exits unless the keys that instances of the object, which is a class, share have this version.
GuardInstanceKeysVersion = guard_instance_keys_version(class: obj, version: version) -> None,
    reads(M::VERSION).exits(R::KeysChanged);
/// Exits unless the dictionary, one that the host watches, has this version: nothing in it changed.
GuardGlobalVersion = guard_global_version(dict: object, version: version) -> None,
    reads(M::VERSION).exits(R::GlobalsChanged);
/// Exits unless the function has this version: same code, defaults, closure.
GuardFunctionVersion = guard_function_version(function: obj, version: version) -> None,
    reads(M::VERSION).exits(R::FunctionChanged);
/// Exits unless the value, which may be null, is this object.
GuardIs = guard_is(value: obj, object: object) -> None, exits(R::OtherObject);
/// Exits if the value, which may be null, is this object.
GuardIsNot = guard_is_not(value: obj, object: object) -> None, exits(R::OtherObject);
/// Exits unless the truth value is true.
GuardTrue = guard_true(value: bool) -> None, exits(R::OtherBranch);
/// Exits unless the truth value is false.
GuardFalse = guard_false(value: bool) -> None, exits(R::OtherBranch);
/// Exits unless the value is null.
GuardNull = guard_null(value: obj) -> None, exits(R::Bound);
/// Exits if the value is null.
GuardNotNull = guard_not_null(value: obj) -> None, exits(R::Unbound);
/// Exits unless the object, which must be an int (of any subtype), has at most one digit: |n| < 2^30.
GuardCompact = guard_compact(value: obj) -> None, exits(R::NotCompact);
/// Exits unless the object, which must be an int (of any subtype), has at most two digits: |n| < 2^60.
GuardWide = guard_wide(value: obj) -> None, exits(R::NotCompact);
/// Exits unless 0 <= index < length.
GuardIndex = guard_index(index: i64, length: i64) -> None, exits(R::IndexOutOfBounds);
/// Exits unless the comparison holds.
GuardCmpI64 = guard_cmp_i64(cond: cond, a: i64, b: i64) -> None, exits(R::OtherBranch);
/// Exits unless the comparison holds.
GuardCmpF64 = guard_cmp_f64(cond: cond, a: f64, b: f64) -> None, exits(R::OtherBranch);
/// Exits unless the instance keeps its attributes in inline values.
GuardInlineValues = guard_inline_values(value: obj) -> None, reads(M::INLINE).exits(R::ValuesInvalid);
/// Exits if the attributes of the instance, which keeps them in inline values, are those of a dictionary as well: it would have to
/// be told of a store.
GuardNoDict = guard_no_dict(value: obj) -> None, reads(M::INLINE).exits(R::ValuesInvalid);
/// Exits if there is just one reference to the object.
GuardShared = guard_shared(value: obj) -> None, reads(M::REFCOUNT).exits(R::LastReference);
/// The same, but passes if the value is null.
GuardSharedOrNull = guard_shared_or_null(value: obj) -> None, reads(M::REFCOUNT).exits(R::LastReference);
/// Exits if the executor became invalid, or other code changed a local of a frame of this superblock.
CheckValidity = check_validity() -> None, reads(M::VERSION).reads(M::FRAME).exits(R::Invalidated);
/// Exits if something asks the thread for attention: signals, pending calls, other threads, the collector, tools.
CheckPeriodic = check_periodic() -> None, reads(M::THREAD).exits(R::Periodic);
/// Exits unless the top frame in memory lies on the thread's stack of frames (as a generator's does not), and nobody has made an object
/// of it, who could look at it when it has returned.
GuardPlainFrame = guard_plain_frame() -> None, reads(M::FRAME).exits(R::FrameKept);
/// Exits unless frames may be pushed, as many as the superblock has on top of each other: recursion limit and data stack.
CheckStackSpace = check_stack_space() -> None, reads(M::THREAD).reads(M::FRAME).exits(R::StackSpace);
/// Exits, with the exception that is set, if the value is null. Follows an op that raises.
CheckError = check_error(value: obj) -> None, exits(R::Raised);
/// Exits, with the exception that is set, if the number is negative. Follows an op that raises.
CheckNegative = check_negative(value: i64) -> None, exits(R::Raised);

// -- boxes ----------------------------------------------------------------------------------------------------------------

/// The value of a compact int.
UnboxI64 = unbox_i64(value: obj) -> I64, pure();
/// The value of an int of at most two digits.
UnboxWide = unbox_wide(value: obj) -> I64, pure();
/// An int of that value.
BoxI64 = box_i64(value: i64) -> New, allocates();
/// The value of a float (of any subtype).
UnboxF64 = unbox_f64(value: obj) -> F64, pure();
/// A float of that value.
BoxF64 = box_f64(value: f64) -> New, allocates();
/// A float of that value. A reference to another float is dropped before, and if that was the last one, the new one takes its place.
ReboxF64 = rebox_f64(value: f64, dying: own) -> New, allocates().reads(M::REFCOUNT).writes(M::REFCOUNT);
/// The same for ints.
ReboxI64 = rebox_i64(value: i64, dying: own) -> New, allocates().reads(M::REFCOUNT).writes(M::REFCOUNT);
/// Whether the object, True or False, is True.
UnboxBool = unbox_bool(value: obj) -> Bool, pure();
/// True or False.
BoxBool = box_bool(value: bool) -> Borrowed, pure();

// -- integers -------------------------------------------------------------------------------------------------------------

/// The sum modulo 2^64.
AddI64 = add_i64(a: i64, b: i64) -> I64, pure(), computes(i64::wrapping_add);
/// The difference modulo 2^64.
SubI64 = sub_i64(a: i64, b: i64) -> I64, pure(), computes(i64::wrapping_sub);
/// The product modulo 2^64.
MulI64 = mul_i64(a: i64, b: i64) -> I64, pure(), computes(i64::wrapping_mul);
/// The negative modulo 2^64.
NegI64 = neg_i64(a: i64) -> I64, pure(), computes(i64::wrapping_neg);
/// Bitwise and.
AndI64 = and_i64(a: i64, b: i64) -> I64, pure(), computes(|a, b| a & b);
/// Bitwise or.
OrI64 = or_i64(a: i64, b: i64) -> I64, pure(), computes(|a, b| a | b);
/// Bitwise exclusive or.
XorI64 = xor_i64(a: i64, b: i64) -> I64, pure(), computes(|a, b| a ^ b);
/// All bits inverted.
NotI64 = not_i64(a: i64) -> I64, pure(), computes(|a| !a);
/// The sum; exits if it does not fit.
AddI64Ovf = add_i64_ovf(a: i64, b: i64) -> I64, exits(R::Overflow), computes(i64::checked_add);
/// The difference; exits if it does not fit.
SubI64Ovf = sub_i64_ovf(a: i64, b: i64) -> I64, exits(R::Overflow), computes(i64::checked_sub);
/// The product; exits if it does not fit.
MulI64Ovf = mul_i64_ovf(a: i64, b: i64) -> I64, exits(R::Overflow), computes(i64::checked_mul);
/// The negative; exits if it does not fit.
NegI64Ovf = neg_i64_ovf(a: i64) -> I64, exits(R::Overflow), computes(i64::checked_neg);
/// `a << b`; exits if bits are lost, or unless 0 <= b < 64.
ShlI64Ovf = shl_i64_ovf(a: i64, b: i64) -> I64, exits(R::Overflow), computes(arithmetic::shift_left);
/// `a >> b`, the sign copied; exits if b is negative.
ShrI64Ovf = shr_i64_ovf(a: i64, b: i64) -> I64, exits(R::Overflow), computes(arithmetic::shift_right);
/// `a // b`, rounded down; exits if b is zero or the quotient does not fit.
FloorDivI64 = floor_div_i64(a: i64, b: i64) -> I64, exits(R::ZeroDivision), computes(arithmetic::floor_div);
/// `a % b`, with the sign of b; exits if b is zero.
ModI64 = mod_i64(a: i64, b: i64) -> I64, exits(R::ZeroDivision), computes(arithmetic::modulo);
/// The nearest double, ties to even.
I64ToF64 = i64_to_f64(a: i64) -> F64, pure(), computes(|a| a as f64);
/// 1 or 0.
BoolToI64 = bool_to_i64(a: bool) -> I64, pure(), computes(i64::from);
/// How many bits the absolute value takes.
BitLengthI64 = bit_length_i64(a: i64) -> I64, pure(), computes(arithmetic::bit_length);
/// How many bits of the absolute value are ones.
BitCountI64 = bit_count_i64(a: i64) -> I64, pure(), computes(|a| a.unsigned_abs().count_ones().into());
/// The double rounded towards zero; exits if that does not fit, or it is no number.
F64ToI64Ovf = f64_to_i64_ovf(a: f64) -> I64, exits(R::Overflow), computes(arithmetic::truncate);
/// The double rounded down; exits if that does not fit, or it is no number.
FloorF64 = floor_f64(a: f64) -> I64, exits(R::Overflow), computes(|a| arithmetic::truncate(a.floor()));
/// The double rounded up; exits if that does not fit, or it is no number.
CeilF64 = ceil_f64(a: f64) -> I64, exits(R::Overflow), computes(|a| arithmetic::truncate(a.ceil()));

// -- doubles --------------------------------------------------------------------------------------------------------------

/// The sum.
AddF64 = add_f64(a: f64, b: f64) -> F64, pure(), computes(|a, b| a + b);
/// The difference.
SubF64 = sub_f64(a: f64, b: f64) -> F64, pure(), computes(|a, b| a - b);
/// The product.
MulF64 = mul_f64(a: f64, b: f64) -> F64, pure(), computes(|a, b| a * b);
/// The quotient as IEEE has it. Python's ZeroDivisionError is the business of a guard before.
DivF64 = div_f64(a: f64, b: f64) -> F64, pure(), computes(|a, b| a / b);
/// `a % b` as Python has it: the sign of b. Not a number if b is zero; see `div_f64`.
ModF64 = mod_f64(a: f64, b: f64) -> F64, pure(), computes(arithmetic::float_modulo);
/// The negative.
NegF64 = neg_f64(a: f64) -> F64, pure(), computes(|a| -a);
/// The absolute value.
AbsF64 = abs_f64(a: f64) -> F64, pure(), computes(f64::abs);
/// The square root; not a number if negative.
SqrtF64 = sqrt_f64(a: f64) -> F64, pure(), computes(f64::sqrt);
/// The absolute value of a, with the sign of b.
CopysignF64 = copysign_f64(a: f64, b: f64) -> F64, pure(), computes(f64::copysign);
/// The sine; exits if the double is infinite.
SinF64 = sin_f64(a: f64) -> F64, exits(R::Domain), computes(|a| arithmetic::known(a, a.sin()));
/// The cosine; exits if the double is infinite.
CosF64 = cos_f64(a: f64) -> F64, exits(R::Domain), computes(|a| arithmetic::known(a, a.cos()));
/// e to this power; exits if the double is finite and the power is not.
ExpF64 = exp_f64(a: f64) -> F64, exits(R::Domain), computes(|a| arithmetic::known(a, a.exp()));
/// The natural logarithm; exits unless the double is positive or not a number.
LogF64 = log_f64(a: f64) -> F64, exits(R::Domain), computes(|a| arithmetic::known(a, a.ln()));
/// The angle of the point (b, a); exits unless both are finite.
Atan2F64 = atan2_f64(a: f64, b: f64) -> F64, exits(R::Domain), computes(arithmetic::angle);
/// Whether it is finite and has no fractional part.
IsIntegerF64 = is_integer_f64(a: f64) -> Bool, pure(), computes(arithmetic::is_integer);
/// Whether it is not a number.
IsNanF64 = is_nan_f64(a: f64) -> Bool, pure(), computes(f64::is_nan);
/// Whether it is infinite.
IsInfF64 = is_inf_f64(a: f64) -> Bool, pure(), computes(f64::is_infinite);
/// Whether it is a number that is not infinite.
IsFiniteF64 = is_finite_f64(a: f64) -> Bool, pure(), computes(f64::is_finite);

// -- comparisons ----------------------------------------------------------------------------------------------------------

/// Whether the comparison holds.
CmpI64 = cmp_i64(cond: cond, a: i64, b: i64) -> Bool, pure(), computes(|cond, a, b| cond.holds(a, b));
/// Whether the comparison holds.
CmpF64 = cmp_f64(cond: cond, a: f64, b: f64) -> Bool, pure(), computes(|cond, a, b| cond.holds(a, b));
/// Whether the two, which may be null, are the same object.
SameObj = same_obj(a: obj, b: obj) -> Bool, pure();
/// Whether it is null.
IsNull = is_null(a: obj) -> Bool, pure();
/// The other truth value.
NotBool = not_bool(a: bool) -> Bool, pure(), computes(|a| !a);

// -- heap -----------------------------------------------------------------------------------------------------------------

/// The object's type.
TypeOf = type_of(value: obj) -> Borrowed, reads(M::TYPE);
/// An attribute in the inline values of an instance; null if absent. The values must be valid.
LoadInline = load_inline(value: obj, index: index) -> Borrowed, reads(M::INLINE);
/// Writes an attribute in the inline values of an instance. The values must be valid. An attribute that was absent is
/// also entered in the order of insertion.
StoreInline = store_inline(value: obj, index: index, content: own) -> None, writes(M::INLINE);
/// The attribute in a slot of an instance; null if absent.
LoadSlot = load_slot(value: obj, offset: offset) -> Borrowed, reads(M::SLOT);
/// Writes the attribute in a slot of an instance; the content may be null.
StoreSlot = store_slot(value: obj, offset: offset, content: own) -> None, writes(M::SLOT);
/// The length of a list.
ListLen = list_len(list: obj) -> I64, reads(M::LIST);
/// The address of the items of a list.
ListItems = list_items(list: obj) -> Ptr, reads(M::LIST);
/// An item of a list; the index must be in bounds.
LoadItem = load_item(items: ptr, index: i64) -> Borrowed, reads(M::LIST);
/// Writes an item of a list; the index must be in bounds.
StoreItem = store_item(items: ptr, index: i64, content: own) -> None, writes(M::LIST);
/// The length of a tuple.
TupleLen = tuple_len(tuple: obj) -> I64, pure();
/// An item of a tuple; the index must be in bounds.
LoadTupleItem = load_tuple_item(tuple: obj, index: i64) -> Borrowed, pure();
/// Exits unless the array, an `array.array`, has this typecode. It never changes.
GuardTypecode = guard_typecode(array: obj, typecode: index) -> None, exits(R::WrongType);
/// How many elements an array, bytearray or bytes object has.
ArrayLen = array_len(array: obj) -> I64, reads(M::ARRAY);
/// The address of the elements of an array or bytearray. The object has it in a field at this offset.
ArrayElements = array_elements(array: obj, offset: offset) -> Ptr, reads(M::ARRAY);
/// The address of elements that lie in the object itself, at this offset: those of a bytes object, which never change.
InnerElements = inner_elements(object: obj, offset: offset) -> Ptr, pure();
/// An element; the index must be in bounds. All elements of an array are of one kind, for good, and no two arrays share them.
LoadElementI64 = load_element_i64(elements: ptr, index: i64, kind: int_kind) -> I64, reads(M::ELEMENT);
/// As `load_element_i64`, for doubles.
LoadElementF64 = load_element_f64(elements: ptr, index: i64, kind: float_kind) -> F64, reads(M::ELEMENT);
/// Writes an element; the index must be in bounds, and the number within the range of the kind.
StoreElementI64 = store_element_i64(elements: ptr, index: i64, kind: int_kind, content: i64) -> None, writes(M::ELEMENT);
/// Writes an element, rounded if the kind is narrower; the index must be in bounds.
StoreElementF64 = store_element_f64(elements: ptr, index: i64, kind: float_kind, content: f64) -> None, writes(M::ELEMENT);
/// The content of a closure cell; null if unbound.
LoadCell = load_cell(cell: obj) -> Borrowed, reads(M::CELL);
/// Writes the content of a closure cell; may be null.
StoreCell = store_cell(cell: obj, content: own) -> None, writes(M::CELL);
/// The value in an entry of a dictionary whose keys were guarded; null if deleted.
LoadDictValue = load_dict_value(dict: obj, index: index) -> Borrowed, reads(M::DICT);
/// Writes the value in an entry of a dictionary whose keys were guarded and that holds a value already. Watchers of the
/// dictionary are told, and its version changes.
StoreDictValue = store_dict_value(dict: obj, index: index, content: own) -> None, writes(M::DICT).writes(M::VERSION);
/// The dictionary of a module.
ModuleDict = module_dict(module: obj) -> Borrowed, pure();
/// The value in an entry of a known dictionary (globals, builtins) whose keys were guarded; null if deleted.
LoadGlobal = load_global(dict: object, index: index) -> Borrowed, reads(M::DICT);
/// Writes as `store_dict_value` does, into a known dictionary.
StoreGlobal = store_global(dict: object, index: index, content: own) -> None, writes(M::DICT).writes(M::VERSION);

// -- references -----------------------------------------------------------------------------------------------------------

/// Takes a new reference, which the superblock owns.
Incref = incref(value: obj) -> None, reads(M::REFCOUNT).writes(M::REFCOUNT);
/// The object, with the reference to it that whoever leads to this superblock has passed along with the parameter. (Any reference will
/// do: this one is the same from now on.)
Adopt = adopt(value: own) -> New, reads(M::REFCOUNT).writes(M::REFCOUNT);
/// Drops a reference; if it was the last, the object is finalized and freed.
Decref = decref(value: own) -> None, escapes();
/// Drops a reference unless the value is null.
Xdecref = xdecref(value: own) -> None, escapes();
/// Drops a reference that is known not to be the last one, or the last one of an object that runs no code when freed: an
/// exact int, float, str, range or range iterator.
DecrefNoDealloc = decref_no_dealloc(value: own) -> None, reads(M::REFCOUNT).writes(M::REFCOUNT);
/// The same, unless the value is null.
XdecrefNoDealloc = xdecref_no_dealloc(value: own) -> None, reads(M::REFCOUNT).writes(M::REFCOUNT);

// -- allocation -----------------------------------------------------------------------------------------------------------

/// A tuple.
NewTuple = new_tuple(items: owns) -> New, allocates();
/// A list.
NewList = new_list(items: owns) -> New, allocates();
/// A slice.
NewSlice = new_slice(start: own, stop: own, step: own) -> New, allocates();
/// A range, as `range(start, stop, step)` makes it; the step must not be zero.
NewRange = new_range(start: i64, stop: i64, step: i64) -> New, allocates();
/// A range iterator that has so many numbers left.
NewRangeIter = new_range_iter(next: i64, step: i64, left: i64) -> New, allocates();
/// A bound method.
NewBoundMethod = new_bound_method(function: own, receiver: own) -> New, allocates();
/// A closure cell; the content may be null.
NewCell = new_cell(content: own) -> New, allocates();
/// An instance of a class that keeps attributes in inline values; all attributes absent. `__init__` is not called.
NewInstance = new_instance(class: object) -> New, allocates();
/// Builds a virtual object, which is dead afterwards, as are those within it. References that it owns pass to the object.
Materialize = materialize(object: virt) -> New, allocates();

// -- iterators ------------------------------------------------------------------------------------------------------------

/// How many numbers there are in the range; exits if the step is zero, or unless -2^60 <= n < 2^60 for each of the three.
RangeLen = range_len(start: i64, stop: i64, step: i64) -> I64, exits(R::Overflow), computes(arithmetic::range_len);
/// The next item of a list iterator, which moves on; exits if there is none.
ListIterNext = list_iter_next(iter: obj) -> New,
    reads(M::LIST).reads(M::ITER).writes(M::ITER).exits(R::Exhausted);
/// The next item of a tuple iterator, which moves on; exits if there is none.
TupleIterNext = tuple_iter_next(iter: obj) -> New, reads(M::ITER).writes(M::ITER).exits(R::Exhausted);
/// The next number of a range iterator, which moves on; exits if there is none.
RangeIterNext = range_iter_next(iter: obj) -> I64, reads(M::ITER).writes(M::ITER).exits(R::Exhausted);
/// Exits unless the list iterator has no next item.
GuardListIterDone = guard_list_iter_done(iter: obj) -> None, reads(M::LIST).reads(M::ITER).exits(R::NotExhausted);
/// Exits unless the tuple iterator has no next item.
GuardTupleIterDone = guard_tuple_iter_done(iter: obj) -> None, reads(M::ITER).exits(R::NotExhausted);
/// Exits unless the range iterator has no next number.
GuardRangeIterDone = guard_range_iter_done(iter: obj) -> None, reads(M::ITER).exits(R::NotExhausted);

// -- generators -----------------------------------------------------------------------------------------------------------
//
// Of generators and coroutines alike. A type that is guarded says that an operand is one. See the essay in `snapshot.rs`.

/// Exits unless the generator is suspended, at this position of this code.
GuardSuspended = guard_suspended(generator: obj, code: code, pc: pc) -> None,
    reads(M::GENERATOR).exits(R::NotSuspended);
/// Exits if new coroutines are to be told where they are made.
CheckUntracked = check_untracked() -> None, reads(M::THREAD).exits(R::Unsupported);
/// The slot of the frame within a generator, locals first, then its stack; may be null. The slot goes on owning its reference,
/// as with `load_local`.
LoadGenerator = load_generator(generator: obj, index: index) -> Borrowed, reads(M::GENERATOR);
/// Writes a slot of the frame within a generator; the content may be null. What was there is not dropped.
StoreGenerator = store_generator(generator: obj, index: index, content: own) -> None, writes(M::GENERATOR);
/// The namespace in which the generator's code looks up global variables.
GeneratorGlobals = generator_globals(generator: obj) -> Borrowed, pure();
/// The namespace in which it looks up what is not among the globals.
GeneratorBuiltins = generator_builtins(generator: obj) -> Borrowed, pure();
/// The generator, which was suspended, runs from here on: nothing else can resume it.
ResumeGenerator = resume_generator(generator: obj) -> None, writes(M::GENERATOR);
/// The generator, which runs, is suspended at this position, with that many items on its stack. What is above them is not
/// its own any more. `delegates`: it waits for another one (`yield from`, `await`).
SuspendGenerator = suspend_generator(generator: obj, code: code, pc: pc, stack: index, delegates: truth) -> None,
    writes(M::GENERATOR);
/// Pushes the frame of a generator that runs, which is for this code, onto the frames in memory. The frame below is left at the
/// position of the instruction that resumed it, `caller_pc`.
PushGenerator = push_generator(generator: obj, code: code, caller_pc: pc) -> None,
    writes(M::FRAME).writes(M::GENERATOR);
/// Takes the frame of a generator, which is on top, off the frames in memory. The generator goes on running.
PopGenerator = pop_generator() -> None, writes(M::FRAME).writes(M::GENERATOR);
/// Exits unless the frame below the first one, which is a generator's, is suspended at this position of this code.
GuardCaller = guard_caller(code: code, pc: pc) -> None, reads(M::FRAME).exits(R::OtherCaller);
/// Takes the first frame, which is a generator's and the only one in memory, off the frames in memory; the generator, which goes
/// on running. The frame below, for this code, is the first one now, with what was left on its stack.
UnlinkFirst = unlink_first(code: code) -> Borrowed, writes(M::FRAME).writes(M::GENERATOR);
/// The generator, which runs, is at its end: its frame is cleared, with what is in its locals. Its stack is empty.
FinishGenerator = finish_generator(generator: obj) -> None, escapes();
/// A generator or coroutine, whichever the code says, that will begin at this position of the code, with all the frame's
/// locals.
NewGenerator = new_generator(code: code, pc: pc, function: own, locals: owns) -> New, allocates();

// -- calls ----------------------------------------------------------------------------------------------------------------

/// Calls a helper. Kinds of arguments, result and effects: see the table of helpers.
CallHelper = call_helper(helper: helper, args: anys) -> OfHelper, pure();

// -- instructions of tier 1 -----------------------------------------------------------------------------------------------

/// Has tier 1 execute the instruction at this position of the top frame in memory, which is the snapshot's. It may raise,
/// unwind frames, push one, run any code: where it has led to is the *landing*, which the host keeps. `moves` says which
/// frame it is expected in.
Execute = execute(pc: pc, moves: moves) -> None, escapes();
/// Exits unless the landing of the `execute` before is where its `moves` says, at this position of a frame of this code with
/// that many items on its stack, and the executor is valid (as `check_validity`, which need not follow). After the `return_value`
/// of the frame where the superblock began, its caller, whichever that is, is the only frame from then on.
GuardLanded = guard_landed(code: code, pc: pc, stack: index) -> None,
    reads(M::VERSION).reads(M::FRAME).exits(R::DynamicTarget);

// -- terminators ----------------------------------------------------------------------------------------------------------

/// Ends the prefix: enters the loop with these values of its parameters.
EnterLoop = enter_loop(args: anys) -> None, ends(Ends::Prefix);
/// Ends the loop: goes round again with these values of its parameters.
JumpLoop = jump_loop(args: anys) -> None, ends(Ends::Loop);
/// Leaves, always, for this reason.
Exit = exit(reason: reason) -> None, exits(R::EndOfTrace).ends(Ends::Superblock);
/// Leaves, always, to a position in the top frame that is a value, in code units; the snapshot's own does not count.
DynamicExit = dynamic_exit(pc: i64) -> None, exits(R::DynamicTarget).ends(Ends::Superblock);
/// Leaves to wherever the `execute` or `return_value` before has landed.
LeaveLanded = leave_landed() -> None, exits(R::DynamicTarget).ends(Ends::Superblock);
/// Goes on in another executor, whose parameters get these values. The frames are in memory by then, as the snapshot says.
Link = link(executor: executor, args: anys) -> None, exits(R::Linked).ends(Ends::Superblock);
    } };
}
pub(crate) use for_each_op;

/// The names that effects in the table use, in one place for the macros that expand it.
pub(crate) mod names {
    pub(crate) use crate::arithmetic;
    pub(crate) use crate::effects::{Ends, MemorySet as M};
    pub(crate) use crate::reasons::ExitReason as R;
}
