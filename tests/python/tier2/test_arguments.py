"""How arguments become locals."""

from support import Tier2Case

N = 3000


class Defaults(Tier2Case):
    def test_functions_that_are_made_again_with_other_defaults(self):
        """They have the same code, and so the same version."""

        def make(i):
            class C:
                def m(self, x=i):
                    return x

                def k(self, *, x=i):
                    return x

            return C()

        def f(n, by_keyword):
            total = 0
            for i in range(n):
                made = make(i & 3)
                method = made.k if by_keyword else made.m
                for _ in range(5):
                    total += method()
            return total

        for by_keyword in False, True:
            self.hot(f, N // 5, by_keyword, expect=sum(i & 3 for i in range(N // 5)) * 5, share=0)
