"""The demo: edgetender's main job on real parts, started, told step by step, verified and cleared away."""
