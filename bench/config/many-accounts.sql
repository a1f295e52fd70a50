-- 100,000 users, 10,000 teams of the organisation `bench`, and 1,000,000 repositories, beside what is there.
CREATE TEMP TABLE n AS
  WITH RECURSIVE counted(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM counted WHERE i + 1 < 1000000) SELECT i FROM counted;
INSERT INTO namespace SELECT 10000000 + i, 'user-' || i, 'user', 1 FROM n WHERE i < 100000;
INSERT INTO account SELECT 10000000 + i, 10000000 + i, NULL, NULL, 0, 1, 1, 1, NULL FROM n WHERE i < 100000;
INSERT INTO member SELECT namespace.id, 10000000 + i, 'member', 1 FROM namespace, n WHERE name = 'bench' AND i < 100000;
INSERT INTO team SELECT 10000000 + i, namespace.id, 'team-' || i, '', 1 FROM namespace, n WHERE name = 'bench' AND i < 10000;
INSERT INTO team_member SELECT 10000000 + i, 10000000 + i FROM n WHERE i < 10000;
INSERT INTO team_grant SELECT 10000000 + i, 'app-' || i || '*', 'read' FROM n WHERE i < 10000;
INSERT INTO repository (id, namespace, name, visibility, created_at)
  SELECT 10000000 + i, 10000000 + i % 100000, 'user-' || (i % 100000) || '/app-' || i, 'public', 1 FROM n;
DROP TABLE n;
ANALYZE;
