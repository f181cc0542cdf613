"""What the processes have in common at run time: each room that is a process uses it, none of them imports another."""
