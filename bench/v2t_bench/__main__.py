"""``python -m v2t_bench``."""

from v2t_bench.cli import main

if __name__ == "__main__":
    main()
