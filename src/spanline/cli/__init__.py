"""The command line computes as the stages do: its modules are imported after numpy was told how."""

from spanline.common import arithmetic

arithmetic.limit_numpy()
