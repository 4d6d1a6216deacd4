# Run once by the official PostgreSQL image, as its superuser, when the data folder is new. Row-level security holds no
# superuser, so Tocsin refuses one and gets a role that owns a database and may make roles.
psql --no-psqlrc --set ON_ERROR_STOP=1 <<'SQL'
\getenv password TOCSIN_PASSWORD
CREATE ROLE tocsin LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE tocsin OWNER tocsin;
SQL
