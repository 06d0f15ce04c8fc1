"""The words of limosa as frozen values; nothing here reads or writes anything."""
