"""What an operator needs beside the path of a frame: state, supervision, installation, backup, retention, migrations."""
