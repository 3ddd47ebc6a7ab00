-- As the superuser, on the primary: psql -f roles.sql. The owner makes and upgrades the schema; nodes and commands use the
-- role "rota", which cannot. Each asks for its password:
--   \password rota_owner
--   \password rota
CREATE ROLE rota_owner LOGIN;
CREATE ROLE rota LOGIN;
CREATE DATABASE rota OWNER rota_owner ENCODING 'UTF8' TEMPLATE template0;
\connect rota
-- The schema "public" belongs to the database's owner since PostgreSQL 15; nobody else may make tables there.
REVOKE CONNECT ON DATABASE rota FROM PUBLIC;
GRANT CONNECT ON DATABASE rota TO rota;
