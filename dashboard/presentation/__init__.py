"""Content of the pages without Streamlit: charts, exports, texts, and packets for the browser."""
