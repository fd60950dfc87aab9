"""Services below everything else: device, seeds, worker threads, progress, files and caches."""
