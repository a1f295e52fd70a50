"""Pages for those who administer the hub; for everybody else there are none."""
