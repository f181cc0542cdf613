"""What tests share: processes, servers, stand-ins for the outside world, and payments to play with."""
