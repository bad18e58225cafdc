"""Looks at the world and yields events: log tail, heartbeats, processes, stacks, suspended code, sockets, cgroup."""
