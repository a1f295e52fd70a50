-- 100,000 users, 10,000 teams of the organisation `bench`, and 1,000,000 repositories, beside what is there.
CREATE TEMP TABLE n AS
  WITH RECURSIVE counted(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM counted WHERE i + 1 < 1000000) SELECT i FROM counted;
INSERT INTO namespace (id, name, kind, created_at) SELECT 10000000 + i, 'user-' || i, 'user', 1 FROM n WHERE i < 100000;
INSERT INTO account (id, namespace, is_admin, is_active, generation, created_at)
  SELECT 10000000 + i, 10000000 + i, 0, 1, 1, 1 FROM n WHERE i < 100000;
INSERT INTO member (namespace, account, role, joined_at)
  SELECT namespace.id, 10000000 + i, 'member', 1 FROM namespace, n WHERE name = 'bench' AND i < 100000;
INSERT INTO team (id, namespace, name, description, created_at)
  SELECT 10000000 + i, namespace.id, 'team-' || i, '', 1 FROM namespace, n WHERE name = 'bench' AND i < 10000;
INSERT INTO team_member (team, account) SELECT 10000000 + i, 10000000 + i FROM n WHERE i < 10000;
INSERT INTO team_grant (team, pattern, role) SELECT 10000000 + i, 'app-' || i || '*', 'read' FROM n WHERE i < 10000;
INSERT INTO repository (id, namespace, name, visibility, created_at)
  SELECT 10000000 + i, 10000000 + i % 100000, 'user-' || (i % 100000) || '/app-' || i, 'public', 1 FROM n;
DROP TABLE n;
ANALYZE;
