"""What a recording relies on changes before the recording has ended."""

import gc
import heapq
import itertools
import sys
import threading

import hotspur
from support import Tier2Case, counted


class ChangesWhileRecording(Tier2Case):
    """What a recording has noted changes, or dies, before the recording has ended: in the very round that is recorded, whichever
    that is."""

    SOURCE = """
def helper():
    return 1

class Thing:
    value = 1.5
    def method(self):
        return 1

def loop(n, k, change):
    total = 0
    for i in range(n):
        total += helper() + Thing.value
        thing = Thing()
        total += thing.method()
        if i == k:
            thing = None
            change()
    return total
"""

    def setUp(self):
        super().setUp()
        for name in ("back_edge_threshold", "entry_threshold", "exit_threshold"):
            before = hotspur.parameters()[name]
            hotspur.set_parameter(name, 4)
            self.addCleanup(hotspur.set_parameter, name, before)

    def in_each_round(self, change, before, after):
        """In a round of a loop, a change is made: what a round before and a round after it adds."""
        runs = 0
        for k, stay in itertools.product(range(12), (False, True)):
            namespace = {}
            exec(self.SOURCE, namespace)
            # Whether what is replaced dies.
            namespace["old"] = [namespace["helper"], namespace["Thing"], namespace["Thing"].method] if stay else None

            def total():
                return namespace["loop"](40, k, lambda: change(namespace))

            result, counts = counted(total)
            self.assertEqual(result, before * (k + 1) + after * (39 - k), k)
            runs += counts["runs"]
        self.assertGreater(runs, 0)

    def test_a_function_is_replaced(self):
        def change(namespace):
            namespace["helper"] = lambda: 2
            gc.collect()

        self.in_each_round(change, 3.5, 4.5)

    def test_its_code_is_replaced(self):
        def two():
            return 2

        self.in_each_round(lambda namespace: setattr(namespace["helper"], "__code__", two.__code__), 3.5, 4.5)

    def test_a_class_is_replaced(self):
        class Other:
            value = 10.5

            def method(self):
                return 7

        def change(namespace):
            namespace["Thing"] = Other
            # The class is in a cycle, and its methods with it.
            gc.collect()

        self.in_each_round(change, 3.5, 18.5)

    def test_a_method_is_replaced(self):
        def change(namespace):
            namespace["Thing"].method = lambda self: 3
            [lambda: i for i in range(100)]

        self.in_each_round(change, 3.5, 5.5)

    def test_an_attribute_of_a_class_is_replaced(self):
        def change(namespace):
            namespace["Thing"].value = 2.5
            [float(i) + 0.25 for i in range(100)]

        self.in_each_round(change, 3.5, 4.5)

    def test_classes_that_live_for_a_round(self):
        def make(k):
            class Brief:
                def method(self):
                    return k

            return Brief()

        def loop(n):
            total = 0
            for i in range(n):
                thing = make(i)
                total += thing.method()
                thing = None
                if i % 3 == 0:
                    gc.collect()
            return total

        self.hot(loop, 60, expect=sum(range(60)), share=0.1, rounds=3)


class OtherThreads(Tier2Case):
    """Threads that record, replace and drop what others record and run."""

    def setUp(self):
        super().setUp()
        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        self.addCleanup(sys.setswitchinterval, before)

    def run_together(self, *functions):
        errors = []

        def guarded(function):
            try:
                function()
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
            self.assertFalse(thread.is_alive())
        self.assertEqual(errors, [])

    def test_a_global_is_replaced_by_another_thread(self):
        namespace = {"helper": lambda: 1}
        exec("def loop(n):\n    return [helper() for _ in range(n)]\n", namespace)
        done = threading.Event()
        seen = set()

        def reader():
            try:
                for _ in range(200):
                    seen.update(namespace["loop"](50))
            finally:
                done.set()

        def writer():
            i = 0
            while not done.is_set():
                i += 1
                namespace["helper"] = (lambda: 1) if i % 2 else (lambda: 2)

        _, counts = counted(self.run_together, reader, writer)
        self.assertGreater(counts["runs"], 0)
        self.assertLessEqual(seen, {1, 2})
        # Afterwards, it is what it was set to last.
        namespace["helper"] = lambda: 3
        self.assertEqual(namespace["loop"](50), [3] * 50)

    def test_executors_are_removed_while_others_record(self):
        def work(n):
            total = 0
            for i in range(n):
                total += i & 7
            return total

        expected = work(500)
        done = threading.Event()

        def runner():
            try:
                for _ in range(300):
                    if work(500) != expected:
                        raise AssertionError
            finally:
                done.set()

        def remover():
            while not done.is_set():
                for executor in hotspur.executors(work):
                    hotspur._hotspur.remove_executors(executor.number)
                hotspur._hotspur.sweep_executors()

        self.run_together(runner, runner, remover)

    def test_a_heap_with_comparisons_in_python(self):
        class Item:
            def __init__(self, key):
                self.key = key

            def __lt__(self, other):
                return self.key < other.key

        def worker():
            for _ in range(20):
                heap = []
                for i in range(150):
                    heapq.heappush(heap, Item(i * 7919 % 151))
                keys = [heapq.heappop(heap).key for _ in range(150)]
                if keys != sorted(keys):
                    raise AssertionError(keys)

        _, counts = counted(self.run_together, worker, worker, worker)
        self.assertGreater(counts["runs"], 0)
