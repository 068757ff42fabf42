"""Translation control unit: configuration lookup, walks, queues."""
