"""What runs inside the simulators: coroutine functions called with a `tb.env.Env`."""
