"""Who there is: users, organisations with their members and teams, and the credentials by which they prove who they are."""
