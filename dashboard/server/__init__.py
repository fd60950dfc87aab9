"""The server process: Streamlit behind middleware, and the WebSocket of frames."""
